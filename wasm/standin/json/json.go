// Package json stands in for encoding/json in the browser client, which uses
// the browser's JSON: pion/webrtc's js files name two functions of it, which
// refuse. Nothing here runs; wasm/build fails when one of them is linked.
package json

import "errors"

// ErrCut is what both functions return.
var ErrCut = errors.New("encoding/json is not part of the browser client")

// Marshal refuses.
//
//go:noinline
func Marshal(any) ([]byte, error) { return nil, ErrCut }

// Unmarshal refuses.
//
//go:noinline
func Unmarshal([]byte, any) error { return ErrCut }
