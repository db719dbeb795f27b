package picture

// Scale is for tests.
var Scale = scale

// Scaling is the memory of Make beside what is decoded.
const Scaling = scaling
