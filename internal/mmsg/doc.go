// Package mmsg moves many UDP datagrams with one system call: recvmmsg and
// sendmmsg, and UDP_SEGMENT (udp(7)) for runs of datagrams of one size to one
// address; and it makes sockets by which the kernel sends with less work (Dial). It
// exists because package net and x/net allocate for every datagram.
//
// It promises that nothing is allocated, and nothing waits, on the way of a
// datagram; that a Socket is never used after its Close, whoever holds it; and
// that datagrams to one address from one Socket leave in the order in which they
// were added.
//
// Who owns which buffer: a Receiver owns the memory that datagrams are received
// into, and lends it until its Reset. A Sender owns nothing: what was added must
// stay as it is until Flush.
//
// None of the calls can wait, and each moves a bounded number of datagrams, so Go's
// scheduler is not told of them: it would take the processor away from a goroutine
// that is about to be back.
//
// It takes Linux; Supported says why it does not work elsewhere.
package mmsg
