// Package ethercalc saves sheets of EtherCalc, which Framacalc runs too, and brings them back.
//
// An instance gives a room's content in its own format, SocialCalc's save, at /_/ROOM, and what its cells show at /_/ROOM/csv.
// The first is what is compared, kept, and restored from; with the second the other files are made here: CSV, XLSX and
// HTML, so that no instance has to. The room "=NAME" is a book: its sheet NAME lists rooms (#url, #title), one for each
// sheet. Asking for a room does not make it; what does is its page's socket, which is not opened.
//
// Some versions die of being asked for a book that is none (/=NAME.xlsx), which is one more reason not to ask.
package ethercalc
