// Package framadate saves polls of Framadate, from any instance of the versions 0.9 to 1.1, and brings them back to
// life on another.
//
// Framadate has no interface for programs: what is known of a poll is read from its pages, by their structure, for their
// words are in many languages. The CSV that an instance gives loses much and serves as a second witness. Most failures
// are pages with status 200, so every answer is taken for what its structure says it is.
//
// A poll becomes a [Poll], which is written as JSON (docs/formats/poll.md). The other files are made of that
// alone: CSV, HTML, Markdown, and iCalendar where the poll is about dates. Equal polls give equal files.
//
// The administration page shows more (votes that are hidden, the description as it was written, the expiry). It is
// only ever read: its links delete, so none of them is requested. Its address is a secret and in none of the files.
package framadate
