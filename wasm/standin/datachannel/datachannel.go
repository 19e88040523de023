// Package datachannel stands in for github.com/pion/datachannel in the browser
// client: pion/webrtc's js files name one interface of it.
package datachannel

import "io"

// ReadWriteCloser is a DataChannel that pion/webrtc detached.
type ReadWriteCloser interface {
	io.ReadWriteCloser
	ReadDataChannel(p []byte) (n int, isString bool, err error)
	WriteDataChannel(p []byte, isString bool) (n int, err error)
}
