//go:build !linux

package gate

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// canShare is false: elsewhere several sockets on one port mean that the last
// one gets everything, or an error.
const canShare = false

func share(*net.UDPConn) error { return errors.ErrUnsupported }

func shareBefore(string, string, syscall.RawConn) error { return errors.ErrUnsupported }

// enlarge makes the buffers of conn as large as the system lets us.
func enlarge(conn *net.UDPConn) {
	_ = conn.SetReadBuffer(socketBufferBytes)
	_ = conn.SetWriteBuffer(socketBufferBytes)
}

// Buffers does not know.
func Buffers(context.Context) (wanted, receive, send int) { return socketBufferBytes, 0, 0 }
