// Package backup is the form in which a site is kept elsewhere: a tar, or the same files in a directory. It knows
// files and sums and nothing of stores; app fills it and looks whether what comes out is sound.
//
// A tar begins with manifest.json, which names every other file with size and SHA-256 in the order in which they
// follow. The event log is not in it: it is made of the database. A name that the manifest lacks, or one that this
// program does not know, is refused, so nothing outside the directory is ever written and nothing is lost silently.
package backup
