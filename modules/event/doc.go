// Package event is the language in which modules tell each other what happened: domain facts, one file per
// producer, and the bus that carries a fact to the reactions inside the transaction that made it true.
//
// It also names the types of the events clients see. Facts stay inside the process; events are on the wire.
package event
