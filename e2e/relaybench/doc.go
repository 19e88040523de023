//go:build linux

// Command relaybench measures TURN relays side by side: ours with each of its
// data planes, Debian's coturn, a forwarder without TURN, and the kernel's plain
// routing as the zero line. It says which goals are met. make bench-relay runs
// it; docs/benchmarks.md says how to read it.
//
// It promises that all get the same load in alternating rounds, each in a fresh
// process in a network namespace of its own (natlab.Path), on a core that it
// shares with nobody; that every packet which arrives is compared with what was
// sent, and that a wrong one ends the run; that a generator which falls behind
// gives no figure; that a goal which is missed is said to be missed; and that
// nothing of it stays behind, upon a signal either.
//
// From the rounds down to the system calls:
//
//	main.go       what to measure, and for how long
//	rounds.go     the rounds
//	bout.go       a round of one server
//	load.go       the loads
//	control.go    memory, and what an allocation costs
//	results.go    the samples, their tables, and the goals
//	rig.go        the three hosts; one load over its flows
//	server.go     a server process: start, stop
//	flows.go      clients, relay and peer: who talks to whom
//	forwarder.go  the relay without TURN
//	turn.go       a TURN client that does nothing else
//	pump.go       the generator: it sends what is due and fetches what came
//	probe.go      how long a packet takes
//	lane.go       packets that are recognised
//	end.go        sockets for datagrams; streams.go, for TCP
//	cable.go      frames past the sockets of the senders
//	vector.go     sendmmsg and recvmmsg
//	machine.go    cores and descriptors; socket.go, sockets in namespaces
//	usage.go      what was spent, from /proc
//
// Linux and root only: it makes namespaces, and it needs two cores.
package main
