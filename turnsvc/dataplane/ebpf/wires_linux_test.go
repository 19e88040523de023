//go:build netns

package ebpf

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
)

// patience bounds how long a datagram is waited for that should come.
const patience = 10 * time.Second

// wires are three hosts: a server between a client and a peer.
//
//	client c0 ──────── s0 server s1 ──────── p0 peer
//	   10.9.1.2     10.9.1.1  10.9.2.1    10.9.2.2
//	   fd09:1::2   fd09:1::1  fd09:2::1   fd09:2::2
type wires struct {
	client, server, peer *space
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if slices.Contains(os.Environ(), "CI=true") {
		t.Fatal("not root")
	}
	t.Skip("only root may load programs and make network namespaces")
}

// A space is a network namespace without a name: it is gone when nothing is in it.
type space struct{ file *os.File }

func newWires(t *testing.T) *wires {
	t.Helper()
	needsRoot(t)
	w := &wires{client: newSpace(t), server: newSpace(t), peer: newSpace(t)}
	for i, far := range []struct {
		*space
		name string
	}{{w.client, "c0"}, {w.peer, "p0"}} {
		near := fmt.Sprintf("s%d", i)
		w.server.must(t, func() error {
			return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: near}, PeerName: far.name, PeerNamespace: netlink.NsFd(int(far.file.Fd()))})
		})
		w.server.must(t, func() error { return setUp(near, fmt.Sprintf("10.9.%d.1/24", i+1), fmt.Sprintf("fd09:%d::1/64", i+1)) })
		far.must(t, func() error {
			return errors.Join(setUp(far.name, fmt.Sprintf("10.9.%d.2/24", i+1), fmt.Sprintf("fd09:%d::2/64", i+1)),
				defaultRoute(fmt.Sprintf("10.9.%d.1", i+1)), defaultRoute(fmt.Sprintf("fd09:%d::1", i+1)))
		})
	}
	for _, s := range []*space{w.client, w.server, w.peer} {
		until(t, "every address can be used", func() bool { return s.settled(t) })
	}
	return w
}

// settled tells whether no address is tentative: who gives one is told that it is
// done, and the kernel does it when it has the time.
func (s *space) settled(t *testing.T) bool {
	t.Helper()
	var addrs []netlink.Addr
	s.must(t, func() (err error) {
		addrs, err = netlink.AddrList(nil, netlink.FAMILY_V6)
		return err
	})
	return !slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.Flags&unix.IFA_F_TENTATIVE != 0 })
}

func defaultRoute(gateway string) error {
	return netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(gateway)})
}

// setUp gives an interface addresses.
func setUp(name string, addrs ...string) error {
	device, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		a, err := netlink.ParseAddr(addr)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(device, a); err != nil {
			return err
		}
	}
	return netlink.LinkSetUp(device)
}

func newSpace(t *testing.T) *space {
	t.Helper()
	s := new(space)
	var err error
	onOwnThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			s.file, err = os.Open("/proc/thread-self/ns/net")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.file.Close() })
	s.must(t, func() error {
		// Addresses of IPv6 are good at once, not after a second (RFC 4862 §5.4).
		return errors.Join(os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0o600), setUp("lo"))
	})
	return s
}

// do runs f on a thread that is in the namespace.
func (s *space) do(f func() error) (err error) {
	onOwnThread(func() {
		if err = unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET); err == nil {
			err = f()
		}
	})
	return err
}

func (s *space) must(t *testing.T, f func() error) {
	t.Helper()
	if err := s.do(f); err != nil {
		t.Fatal(err)
	}
}

// onOwnThread runs f on a thread that dies with it, which the main one cannot.
func onOwnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onOwnThread(f)
			runtime.UnlockOSThread()
			return
		}
		f()
	}()
	<-done
}

// A socket is one of UDP.
type socket struct {
	*net.UDPConn
	t *testing.T
}

func (s *space) listen(t *testing.T, addr string) *socket {
	t.Helper()
	var c *net.UDPConn
	s.must(t, func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	return &socket{UDPConn: c, t: t}
}

func (s *socket) at() netip.AddrPort {
	a := s.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (s *socket) send(p []byte, to netip.AddrPort) {
	s.t.Helper()
	if _, err := s.WriteToUDPAddrPort(p, to); err != nil {
		s.t.Fatal(err)
	}
}

// receive returns the next datagram, which must come.
func (s *socket) receive() ([]byte, netip.AddrPort) {
	s.t.Helper()
	p := make([]byte, 1<<16)
	_ = s.SetReadDeadline(time.Now().Add(patience))
	n, from, err := s.ReadFromUDPAddrPort(p)
	if err != nil {
		s.t.Fatalf("at %v: %v", s.at(), err)
	}
	return p[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// offload switches the checksums of an interface on or off: those of what it
// sends are then the kernel's work.
func offload(name string, on bool) error {
	const setTxCsum = 0x17 // ETHTOOL_STXCSUM
	value := struct{ cmd, data uint32 }{cmd: setTxCsum}
	if on {
		value.data = 1
	}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		rest [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:], name)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}

// plane is one on the server.
func (w *wires) plane(t *testing.T, o dataplane.Options) *plane {
	t.Helper()
	if o.MaxChannels == 0 {
		o.MaxChannels = 100
	}
	if o.Bitrate == 0 {
		o.Bitrate = -1
	}
	o.BurstBytes, o.Log = 64<<10, slog.New(slog.DiscardHandler)
	p, err := open(o, w.server.do)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func bind(t *testing.T, p *plane, c dataplane.Channel) {
	t.Helper()
	if err := p.Bind(c); err != nil {
		t.Fatal(err)
	}
}

// channelData is a datagram of a channel.
func channelData(number uint16, data []byte) []byte {
	return append([]byte{byte(number >> 8), byte(number), byte(len(data) >> 8), byte(len(data))}, data...)
}

// some bytes, others for each n.
func some(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i*7 + n)
	}
	return p
}
