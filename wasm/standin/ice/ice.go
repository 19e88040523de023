// Package ice stands in for github.com/pion/ice/v4 in the browser client,
// where the browser does ICE. It holds what pion/webrtc's js files name of it:
// types, and functions that refuse. Nothing here runs; wasm/build fails when
// one of the functions is linked.
package ice

import "errors"

// ErrCut is what every function here returns.
var ErrCut = errors.New("pion/ice is not part of the browser client")

// URL is the address of a STUN or TURN server.
type URL struct{ Scheme SchemeType }

// SchemeType is the scheme of a URL.
type SchemeType int

// The schemes that pion/webrtc names, with pion/ice's values.
const (
	SchemeTypeTURN  SchemeType = 3
	SchemeTypeTURNS SchemeType = 4
)

// ParseURL refuses.
//
//go:noinline
func ParseURL(string) (*URL, error) { return nil, ErrCut }

// CandidateType is the kind of a candidate.
type CandidateType byte

// The kinds of candidates, with pion/ice's values.
const (
	CandidateTypeUnspecified CandidateType = iota
	CandidateTypeHost
	CandidateTypeServerReflexive
	CandidateTypePeerReflexive
	CandidateTypeRelay
)

// String names the CandidateType in pion/ice.
//
//go:noinline
func (CandidateType) String() string { return ErrCut.Error() }

// ConnectionState is the state of an agent.
type ConnectionState int

// The states of an agent, with pion/ice's values.
const (
	ConnectionStateUnknown ConnectionState = iota
	ConnectionStateNew
	ConnectionStateChecking
	ConnectionStateConnected
	ConnectionStateCompleted
	ConnectionStateFailed
	ConnectionStateDisconnected
	ConnectionStateClosed
)

// NetworkType is a transport and an address family.
type NetworkType int

// NetworkShort names the transport in pion/ice.
//
//go:noinline
func (NetworkType) NetworkShort() string { return ErrCut.Error() }

// TCPType is the kind of a TCP candidate.
type TCPType int

// NewTCPType reads a TCPType in pion/ice.
//
//go:noinline
func NewTCPType(string) TCPType { return 0 }

// String names the TCPType in pion/ice.
//
//go:noinline
func (TCPType) String() string { return ErrCut.Error() }
