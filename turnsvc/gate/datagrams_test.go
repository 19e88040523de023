package gate

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"
)

func TestDatagramsDropsWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	d := NewDatagrams(conn, func() { refused++ })
	client, err := net.DialUDP("udp4", nil, conn.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := d.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	junk := [][]byte{{}, []byte("junk"), stunFrame(4)[:22], channelFrame(0x4000, 1700)}
	for _, p := range append(junk, stunFrame(4)) {
		if _, err := client.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	p := make([]byte, MaxFrameBytes+1)
	n, addr, err := d.ReadFrom(p)
	if err != nil || !bytes.Equal(p[:n], stunFrame(4)) || addr.String() != client.LocalAddr().String() || refused != len(junk) {
		t.Errorf("ReadFrom = %x from %v, %v after %d refused, want the message after %d", p[:n], addr, err, refused, len(junk))
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Errorf("Close twice = %v", err)
	}
	if _, _, err := d.ReadFrom(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("ReadFrom after Close = %v, want net.ErrClosed", err)
	}
}
