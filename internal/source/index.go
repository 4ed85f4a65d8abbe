package source

// The names of the lists that a directory of copies has.
const (
	IndexHTML = "index.html"
	IndexCSV  = "index.csv"
)
