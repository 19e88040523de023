// Command ayame holds a signaling server to the Ayame protocol and prints what
// it found as a table: a line for each thing that a client can notice.
//
//	go run ./e2e/ayame -url ws://127.0.0.1:8080/signaling
//	go run ./e2e/ayame -url … -slow -authn-listen 127.0.0.1:3001 -disconnect-listen 127.0.0.1:3002
//
// It promises to say for each line what was done, what the specification of
// Ayame says, what Ayame's own server does, and what this server did; and to
// end with an error if that differs from both without being better. It works
// on any server that lets clients choose their rooms: ours needs
// SIGNAL_OPEN_ROOMS=true. The webhooks can only be looked at if the server was
// told to call the two addresses. Every wait is bounded, every room has a name
// of its own, and there are never more than three clients in a case.
//
// It leaves it to package signal to test what no client can notice, and shares
// nothing with it, not even the names of the messages: a fault in them would
// be in both.
//
//	main.go       flags, and what is printed where
//	suite.go      rows, how they are judged and in which order they run
//	client.go     an Ayame client that says what it was sent
//	hook.go       the webhooks' other end
//	table.go      the table, for people, documents and programs
//	transport.go, register.go, forward.go, room.go, fault.go, timing.go,
//	authn.go, disconnect.go    the rows
package main
