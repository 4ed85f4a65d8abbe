// Package changeset reads the changes of Etherpad's documents and applies them to attributed text.
//
// A changeset is written
//
//	Z: OLDLEN (">" | "<") DIFF OP... "$" BANK
//	OP = ("*" ATTRIB)... ["|" LINES] ("=" | "+" | "-") CHARS
//
// with all numbers in base 36. OLDLEN and CHARS count UTF-16 code units, LINES the line feeds within them. "="
// keeps, and sets the attributes it names; "+" inserts CHARS from BANK; "-" removes. What comes after the last
// operation is kept. An ATTRIB is the number of a key and value in the pad's [Pool]; a value of "" takes the key
// away from text that is there. The attributes of a whole text are operations of the same form, all "+".
//
// Attributed text is held in a [Text]. Everything that is read may come from anyone: sizes are bounded, and what does
// not fit together is an error. Nothing here is safe for concurrent use.
package changeset
