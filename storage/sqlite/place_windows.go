package sqlite

// Place is "": what tells a file from its copy is not asked for here.
func Place(string) string { return "" }
