// Package etherpad saves and restores pads of Etherpad, from version 1.8 to 2.5.
//
// A [Document] is an ".etherpad" file: one JSON object with the pad, its authors, every revision and every chat
// message. It is checked by replaying all revisions, read as a stream, and any moment of it can be looked at. The
// other forms (text, HTML, Markdown) are rendered from the attributed text, not taken from the instance, so that they
// are right, clean and the same every time. [Provider] fetches pads. What of the format is read and
// written is in docs/formats/etherpad.md.
package etherpad
