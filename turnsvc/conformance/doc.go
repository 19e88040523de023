// Package conformance asks the server of turnsvc, and stock pion/turn v4.1.4
// beside it, the questions that a relay on the open internet is asked: those of
// RFC 8489 and RFC 8656, and those of people who want to misuse it. It holds
// tests only.
//
// It promises that every question travels in crafted bytes through a real socket
// on loopback; that each row of its tables names the right answer and what stock
// pion answers; and that both are checked in the same run. So the table is also
// the list of what turnsvc adds to pion, and a row whose stock answer has become
// the right one says that something of ours can go.
//
// It leaves to the tests of turnsvc and turnsvc/gate what takes longer than
// seconds of real time or needs a look inside: idle connections (60 s), expired
// reservations (30 s), nonces (1 h) and overstays (24 h), memory per connection,
// a machine without file descriptors.
//
//	go test -v -run TestTable ./turnsvc/conformance
//
// prints the table. An answer in it reads like this:
//
//	success           a success response; unless it says "unsigned", its
//	                  MESSAGE-INTEGRITY proves that the server knows the key
//	437, 437 unsigned an error response, with and without such a proof
//	401, 438          one with REALM and NONCE (it is never signed)
//	silence           nothing, although the server is alive
//	closed            the server closed the TCP connection
//	(in parentheses)  stock pion is not asked, because of what it would do
//	a | b             either is right
//
// Beside the tables, questions that are drawn by lot are asked of our server and of
// coturn, an independent one: messages with unknown, missing, doubled, misplaced and
// malformed attributes, forged credentials, wrong lengths, cookies, classes and
// fingerprints, and ChannelData of every kind, over UDP and TCP. Where they differ, a
// table of disputes says who is right, by which section of the RFCs; any other
// difference fails. -drawn draws others:
//
//	go test -v -tags interop -run TestCoturn ./turnsvc/conformance -drawn 7
//
// From the rows down to the machinery:
//
//	authentication_test.go   who may ask
//	allocate_test.go         Allocate and Refresh
//	permission_test.go       CreatePermission, ChannelBind, and data
//	denied_test.go           peers that nobody may reach
//	integrity_test.go        MESSAGE-INTEGRITY and FINGERPRINT
//	stranger_test.go         bytes from people without a credential
//	stream_test.go           TCP
//	tls_test.go              TLS
//	limits_test.go           too much of everything
//	dispute_test.go          where coturn answers otherwise, and who is right
//	opinion_test.go          asks both, and compares
//	question_test.go         questions by lot
//	peculiar_test.go         what may be strange about one
//	coturn_test.go           coturn
//	table_test.go            rows, and how they are run and printed
//	site_test.go             the two servers, and peers
//	client_test.go           a TURN client that sends exactly what a row says
//	reply_test.go            what came back, in words
//	message_test.go          bytes
package conformance
