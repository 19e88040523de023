// Package lab runs the whole program in a laboratory of real NATs: a server, and
// two people behind a NAT each, who find one another, write, and leave, for every
// pair of networks that people have. Beside what it sees it has what theory says
// (RFC 4787, RFC 8445): the best path that there can be.
//
// It promises that a pair counts only if both sides say that they were connected,
// by the same way, and that every message came once; that the machine's own network
// stays as it is; and that nothing stays behind: what a killed run left is removed
// by the next one, or by Clean, and what belongs to runs that live is left alone.
//
// It leaves to others what a NAT is (internal/natlab), how two people meet (peer),
// and the command line (cmd/wasmp2pchat). Only Linux has network namespaces; what
// needs none is there on all systems.
//
//	kind.go       the networks that people have
//	theory.go     the best way between two of them
//	matrix.go     which pairs are run
//	visitor.go    one of the two people, in a process of his own
//	result.go     what was seen, and what is wrong with it
//	report.go     the same for people, programs and documents
//	run_linux.go  everything together; beside it, in that order
//	  town_linux.go      a laboratory with a server in it
//	  authority.go       who vouches for that server
//	  child_linux.go     a visitor, as this process sees him
//	  browser_linux.go   Chromium instead; devtools_linux.go: how it is driven
//	  clean_linux.go     what killed runs left
//	run_other.go  says that there is no laboratory here
package lab
