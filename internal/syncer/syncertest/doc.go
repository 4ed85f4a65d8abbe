// Package syncertest has a server in memory for tests of the client's engine.
//
// A Server keeps one folder with all its revisions, follows the rules of internal/havre for commits,
// refusals, moves and revisions, and can be made to misbehave: unreachable, cutting connections,
// losing answers, going back in history. Server and Remote are safe for concurrent use.
package syncertest
