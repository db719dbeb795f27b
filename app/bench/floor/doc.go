// Package floor is a bare program that does the least that can be done for event streams: one goroutine on epoll and
// no site behind it, with the sockets, answers and bytes of a server. Its figures say what the machine gives at most.
// It is for Linux.
package floor
