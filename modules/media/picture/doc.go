// Package picture makes of what a person sends the two files that people are shown: upright, without metadata, in a
// form that is written here and nowhere else. It knows no store and no network.
//
// Look reads the header and nothing more: it tells the kind of file, its size in pixels and how many bytes a decoder
// will take, so that whoever calls can refuse or wait before anything of that size is allocated. Make does the work. A
// GIF, an APNG or the like counts as its first picture; a moving WebP is refused.
package picture
