// Package machine is what the load tool asks of the operating system: what machine and disk this is, the CPU, memory
// and bytes of a process, the limit of open files, and how a child process is started. What a system does not tell is
// reported as not known.
package machine
