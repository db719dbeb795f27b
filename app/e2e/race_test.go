//go:build race

package e2e_test

// raceDetector: the program under test is built with it, which takes several times the memory.
const raceDetector = true
