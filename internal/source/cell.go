package source

// Cell returns text for a cell of a table that no spreadsheet takes for a formula.
func Cell(text string) string { return harmless(text) }
