// Command plan makes the tables of docs/scaling.md: what a fleet for so many
// visitors is made of, and what it costs; and those of docs/capacity.md: what one
// server carries, and what ends first.
//
//	go run ./docs/plan            prints the tables
//	go run ./docs/plan -write     puts them into both
//
// Who waits how long comes from a simulation of the pools, event by event: people
// come, name tags, wait, are paired by the rules of package match, talk, and look
// for the next one. What that costs comes from what was measured of the program
// (constants.go, docs/benchmarks.md), and what it costs in money from prices that
// the tables name. Where there is a closed form the tests hold the simulation to
// it. Nothing here is part of the server.
package main
