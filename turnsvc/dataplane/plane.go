// Package dataplane is the seam between turnsvc and what carries the data of
// channels past it, such as a program in the kernel. It promises nothing by
// itself: it says what a Plane must promise.
//
// Two programs are at work on every packet's path:
//
//	policy      turnsvc: who may send to whom, and until when. It binds a channel to
//	            the plane when all of that is decided, and unbinds it when any of it
//	            changes.
//	the plane   carries what it is told, counts it, and holds it to the bitrate.
//
// Whatever a plane does not carry reaches turnsvc as if there were no plane. So a
// plane may refuse any channel, and may end at any time: nobody is cut.
package dataplane

import (
	"log/slog"
	"net/netip"
)

// A Channel is one channel (RFC 8656 §12) of an allocation whose client came by
// UDP. All addresses are in their plain form: IPv4 is never mapped into IPv6, and
// none has a zone.
type Channel struct {
	Allocation uint64         // numbers the allocation: the bitrate is that of all its channels together
	Client     netip.AddrPort // who sends ChannelData
	Server     netip.AddrPort // the address of ours it is sent to: answers come from there
	Number     uint16         // 0x4000 to 0x4FFF
	Relayed    netip.AddrPort // where the relay socket is bound; the address may be unspecified behind a 1:1 NAT
	Peer       netip.AddrPort // to whom, as packets on this machine have it
	// Partner is the Relayed of the allocation that has Peer for its relayed
	// transport address, if that is one of this server: the two may talk, and what
	// is sent may go straight to the other one's client, if the other one has bound a
	// channel to this one. Invalid: Peer is elsewhere.
	Partner netip.AddrPort
}

// A Traffic is an amount of datagrams; bytes are those of the UDP payload that the
// peer sends or is sent, without the header of ChannelData.
type Traffic struct{ Packets, Bytes uint64 }

// Plus is the sum of both.
func (t Traffic) Plus(u Traffic) Traffic {
	return Traffic{Packets: t.Packets + u.Packets, Bytes: t.Bytes + u.Bytes}
}

// Minus is what t has more than u.
func (t Traffic) Minus(u Traffic) Traffic {
	return Traffic{Packets: t.Packets - u.Packets, Bytes: t.Bytes - u.Bytes}
}

// Counts are what a plane did since it was opened. They only grow, also when
// channels are unbound.
type Counts struct {
	In, Out             Traffic // from peers to clients, and from clients to peers, all of it
	InWithin, OutWithin Traffic // of that, what had a Partner
	Dropped             uint64  // datagrams over the bitrate
}

// A Plane carries channels. Its methods may be called by any number of goroutines,
// except Close, which is called once, after all others.
type Plane interface {
	// Name is a word for metrics and the log.
	Name() string
	// Bind carries a channel from now on, in both directions. An error means that it
	// is not carried. A channel is bound once until it is unbound.
	Bind(c Channel) error
	// Unbind ends that; when it returns, nothing more is carried. To unbind what is
	// not bound does nothing.
	Unbind(c Channel)
	// SetBitrate bounds each way of every allocation from now on, in bits a second,
	// with a burst as Options says; below 0: no limit.
	SetBitrate(bitsPerSecond int64)
	// Counts is asked twice a second.
	Counts() (Counts, error)
	// Failed gives one error when the plane has stopped carrying by itself. Then only
	// Counts and Close are called.
	Failed() <-chan error
	// Close carries nothing more and leaves nothing behind on the machine.
	Close() error
}

// Options are what an Opener is told.
type Options struct {
	// Bitrate is the first SetBitrate.
	Bitrate int64
	// A way of an allocation may send at once what fits a second of its bitrate, or
	// BurstBytes if that is more.
	BurstBytes int
	// MaxChannels is how many are bound at once at most.
	MaxChannels int
	// Log is never nil.
	Log *slog.Logger
}

// An Opener opens a plane; an error says why it does not work here, in words for an
// operator.
type Opener func(Options) (Plane, error)
