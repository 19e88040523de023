package gate

import (
	"context"
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// anotherUser opens sockets as a service manager does that is not the user of the
// program: the kernel lets only one user share a port.
type anotherUser struct{ net.ListenConfig }

func (u *anotherUser) ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	const nobody = 65534
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(nobody); err != nil {
		return nil, err
	}
	defer func() { _ = unix.Setfsuid(os.Geteuid()) }()
	return u.ListenConfig.ListenPacket(ctx, network, address)
}

// TestASocketOfAnotherUserDoesAlone holds that a socket which was opened by
// somebody else serves, though no others can be had beside it.
func TestASocketOfAnotherUserDoesAlone(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	list, err := ListenUDP(t.Context(), new(anotherUser), "127.0.0.1:0", 4, nil)
	if err != nil {
		t.Fatalf("ListenUDP with a socket of another user: %v", err)
	}
	t.Cleanup(func() { _ = list.Close() })
	if len(list) != 1 {
		t.Errorf("there are %d sockets, want the one that was opened", len(list))
	}
	conn := dialUDP(t, list.LocalAddr())
	if _, err := conn.Write(stunFrame(0)); err != nil {
		t.Fatal(err)
	}
	if _, from, err := list[0].ReadFrom(make([]byte, MaxFrameBytes)); err != nil || from.String() != conn.LocalAddr().String() {
		t.Errorf("it got a datagram from %v, %v; want %v", from, err, conn.LocalAddr())
	}
}
