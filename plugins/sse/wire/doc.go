// Package wire brings bytes to sockets and notices that a peer has ended, for connections that are mostly idle.
//
// There are two holders. epoll (Linux, plain TCP) keeps a descriptor and 48 bytes for each connection; one
// goroutine hears of all of them. parked (everything else) keeps a goroutine for each connection in a read, and one for
// each write under way. The tests hold both against one list of promises.
//
// # Locks
//
//	epollSocket.mu    keeps the descriptor open while the kernel is called with it; before epoll.mu
//	epoll.mu          the table of descriptors
//	parkedSocket.mu   the write under way
//	parkedSocket.told held while a peer is told: a Peer takes no lock of this package
//
// Nothing of the caller's runs under any lock but told.
package wire
