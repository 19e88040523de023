//go:build linux

// Command bench measures matchmaking and signaling, side by side with a server
// that has the structure of the first WasmP2PChat, and says which of the goals
// are met. make bench runs it; docs/benchmarks.md says how to read it.
//
// It promises that both servers get the same load in alternating rounds, each
// in a process of its own on a core of its own, away from the clients; that
// costs are the server process's own CPU time, so that a busy machine changes
// them little; and that a goal that is missed is said to be missed.
//
//	main.go     the rounds, and what is printed
//	measure.go  one round of one server
//	figure.go   what is compared, with its goal
//	together.go nodes that share a Redis, beside a server that is alone: the rounds
//	nodes.go    servers of a fleet, and what visitors they get
//	fleet.go    pools over Redis without servers around them
//	redis.go    a Redis of our own
//	table.go    figures side by side
//	server.go   a server process: start, CPU time, memory, stop
//	child.go    the server within this program: ours or the other, plain or TLS
//	machine.go  cores and /proc
//
// Linux only: it needs /proc and two cores.
package main
