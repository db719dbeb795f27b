package picture

// Scale is for tests.
var Scale = scale
