// Package hex stands in for encoding/hex in the browser client: pion/webrtc
// compares the profiles of video codecs with one function of it, which refuses,
// and with the package come fmt, os and reflect, whose initialisation a visitor
// would wait for. Nothing here runs; wasm/build fails when the function is linked.
package hex

import "errors"

// ErrCut is what decoding returns.
var ErrCut = errors.New("encoding/hex is not part of the browser client")

// DecodeString refuses.
//
//go:noinline
func DecodeString(string) ([]byte, error) { return nil, ErrCut }
