// Package admin is the HTTP API by which one person runs a server: what goes on in
// it, and a few things to do about it. Client asks it.
//
// It promises that nobody else can use it. Whoever can come to its address must know
// the token, if there is one; a page in the operator's own browser can neither read
// nor change anything, whatever name of it resolves to this machine; and each change
// is a line in the log that says who made it. Answers hold no secret but the
// credentials that somebody has asked for, and no whole address unless they were
// asked for. Lists come in pages.
//
// It knows none of the services: what it shows and does are functions of Config. The
// rest of what stands on the same address, such as metrics, is registered with
// Handle and is then as well guarded. docs/openapi.yaml has every operation, and a
// test holds the two together.
//
//	api.go         what is asked and where
//	guard.go       who may ask
//	answer.go      how it is answered: JSON, pages, faults
//	rooms.go       rooms and allocations, and their end
//	bans.go        who is kept out
//	operations.go  draining, secrets, credentials
//	client.go      the other side
package admin
