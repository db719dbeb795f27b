// Package storagetest holds the kits that every implementation of storage.DB and storage.Log has to pass. A backend's
// whole test is one call:
//
//	func TestContract(t *testing.T) {
//		storagetest.Log(t, func(t testing.TB, dir string) storage.Log { ... })
//	}
//
// Each case names the rule it stands for and says, when it fails, what was asked, got and wanted. The kits are judged
// by mutants: the tests of this package run them against implementations with one fault each, and every fault has to
// be found.
package storagetest
