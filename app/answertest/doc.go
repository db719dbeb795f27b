// Package answertest holds every answer of a running program against the program's own OpenAPI document: the status
// has to be declared for the operation by name, and the body has to be what the schema says, without members that the
// document does not know. A test adds Watch.Part to the parts of a program and need not do more.
package answertest
