package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// canShare reports whether several sockets on one port share the clients: each
// of them always reaches the same socket.
const canShare = true

// share lets more sockets of this user, shared before they are bound, listen
// where conn does.
func share(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("share a socket: %w", err)
	}
	return shareBefore("", "", raw)
}

// shareBefore is a net.ListenConfig.Control.
func shareBefore(_, _ string, raw syscall.RawConn) error {
	return setOption(raw, unix.SO_REUSEPORT, 1)
}

// enlarge makes the buffers of conn as large as we may, beyond
// net.core.rmem_max if we are root. With smaller ones it works as well.
func enlarge(conn *net.UDPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	if setOption(raw, unix.SO_RCVBUFFORCE, socketBufferBytes) != nil {
		_ = conn.SetReadBuffer(socketBufferBytes)
	}
	if setOption(raw, unix.SO_SNDBUFFORCE, socketBufferBytes) != nil {
		_ = conn.SetWriteBuffer(socketBufferBytes)
	}
}

// Buffers are the bytes that the kernel gives a socket of ours for what comes in
// and what goes out, when it is asked for wanted of each. 0: that is not known.
func Buffers(ctx context.Context) (wanted, receive, send int) {
	var lc net.ListenConfig
	sock, err := lc.ListenPacket(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		return socketBufferBytes, 0, 0
	}
	defer func() { _ = sock.Close() }() // it was looked at
	conn := sock.(*net.UDPConn)         // as ListenPacket promises for "udp"
	enlarge(conn)
	raw, err := conn.SyscallConn()
	if err != nil {
		return socketBufferBytes, 0, 0
	}
	// The kernel says twice what it was asked for: socket(7).
	return socketBufferBytes, getOption(raw, unix.SO_RCVBUF) / 2, getOption(raw, unix.SO_SNDBUF) / 2
}

func getOption(raw syscall.RawConn, option int) (value int) {
	_ = raw.Control(func(fd uintptr) { value, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, option) }) // 0: not known
	return value
}

func setOption(raw syscall.RawConn, option, value int) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, value)
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("set socket option %d: %w", option, err)
	}
	return nil
}
