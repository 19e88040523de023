package natlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// Host is one machine of the lab: a namespace with addresses.
type Host struct {
	namespace string
	addrs     []netip.Addr
}

// Addr is the host's first IPv4 address.
func (h *Host) Addr() netip.Addr { return h.addrs[0] }

// Addrs lists all addresses of the host. The server's are 51.51.51.10,
// 51.51.51.11 and 2a0a:5151::10.
func (h *Host) Addrs() []netip.Addr { return slices.Clone(h.addrs) }

// Command is exec.CommandContext inside the namespace. The process is the named
// program itself, not a parent of it, so it can be signalled as usual.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec")
	cmd.Args = append(cmd.Args, h.namespace, name)
	cmd.Args = append(cmd.Args, args...)
	return cmd
}

// Listen is net.Listen inside the namespace; address holds no name to look up.
func (h *Host) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	return inside(h, func() (net.Listener, error) {
		var lc net.ListenConfig
		return lc.Listen(ctx, network, address)
	})
}

// ListenPacket is net.ListenPacket inside the namespace; address holds no name
// to look up.
func (h *Host) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	return inside(h, func() (net.PacketConn, error) {
		var lc net.ListenConfig
		return lc.ListenPacket(ctx, network, address)
	})
}

// Dial is net.Dial inside the namespace; address holds no name to look up.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return inside(h, func() (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	})
}

// inside is Do for a function that also makes something.
func inside[T any](h *Host, f func() (T, error)) (T, error) {
	var made T
	err := h.Do(func() (err error) {
		made, err = f()
		return err
	})
	return made, err
}

// Do runs f on a thread that has entered the namespace. Sockets that f makes
// and processes that it starts are inside, and stay so when Do has returned;
// goroutines that it starts are not.
func (h *Host) Do(f func() error) error {
	err := errors.New("natlab: the function ended its goroutine instead of returning")
	onOwnThread(func() {
		if entered := enter(h.namespace); entered != nil {
			err = fmt.Errorf("enter namespace %s: %w", h.namespace, entered)
			return
		}
		err = f()
	})
	return err
}

// enter moves the calling thread into a namespace.
func enter(namespace string) error {
	fd, err := unix.Open(namespacePath(namespace), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Setns(fd, unix.CLONE_NEWNET)
}

// onOwnThread runs f on a thread that dies with it: a locked goroutine that
// ends takes its thread along, and whatever f did to that thread is gone.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The main thread cannot die. While it is held here, the
			// scheduler has to give the next goroutine another one.
			onOwnThread(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}
