// Package radav reaches a Subversion repository over HTTP, as Apache's mod_dav_svn serves it from 1.7 on (HTTP protocol v2).
//
// Repository implements svn.Repository, with the paths of the whole repository even where the address is that of a
// directory in it: Base tells which. Older servers are refused, and the error says so.
//
// Names and passwords go by Basic or Digest, as the server asks; certificates of clients by Options.TLS. A server
// whose certificate nobody known has signed is a *CertificateError with a fingerprint to compare. Redirects are
// not followed: names and passwords go to the server that was named.
//
// A Repository is safe for concurrent use; connections are net/http's. Requests that read are
// made again where the server closed the connection that they were on. See Commit for what is known when its answer
// is lost.
//
// Servers are not trusted: an element has at most 256 MiB and 64 levels, there are no entities, revisions have to
// come in their order, and contents are compared with the MD5 that was announced. Contents stream, so
// memory does not depend on the size of files.
//
// Protocol: notes/http-and-webdav in the Subversion sources.
package radav
