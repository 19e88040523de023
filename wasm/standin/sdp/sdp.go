// Package sdp stands in for github.com/pion/sdp/v3 in the browser client, where
// the browser reads and writes SDP. It holds what pion/webrtc's js files name
// of it: types, and functions that refuse. Nothing here runs; wasm/build fails
// when one of the functions is linked.
package sdp

import "errors"

// ErrCut is what reading a description returns.
var ErrCut = errors.New("pion/sdp is not part of the browser client")

// AttrKeyICEOptions is the attribute of RFC 8839 §5.6.
const AttrKeyICEOptions = "ice-options"

// SessionDescription is a description that has been read.
type SessionDescription struct{ MediaDescriptions []*MediaDescription }

// UnmarshalString refuses.
//
//go:noinline
func (*SessionDescription) UnmarshalString(string) error { return ErrCut }

// Attribute knows no attribute: nothing was read.
//
//go:noinline
func (*SessionDescription) Attribute(string) (value string, ok bool) { return "", false }

// MediaDescription is one m= section.
type MediaDescription struct{}

// Attribute knows no attribute: nothing was read.
//
//go:noinline
func (*MediaDescription) Attribute(string) (value string, ok bool) { return "", false }
