package succession

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestAMessageGoesInPiecesAndComesWhole(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, maxPacket - headBytes - 4, maxPacket - headBytes - 3, 3 * maxPacket, MaxMessage} {
		message := packet{is: packetTell, name: "kind", body: bytes.Repeat([]byte{7}, size)}
		var w whole
		var got *packet
		for _, piece := range message.pieces() {
			sent := piece.appendTo(nil)
			if len(sent) > maxPacket {
				t.Fatalf("a piece of %d bytes has %d, want at most %d", size, len(sent), maxPacket)
			}
			if got != nil {
				t.Fatalf("%d bytes were whole before the last piece", size)
			}
			p, err := parsePacket(sent)
			if err != nil {
				t.Fatal(err)
			}
			if got, err = w.add(p); err != nil {
				t.Fatal(err)
			}
		}
		if got == nil || got.is != message.is || got.name != message.name || !bytes.Equal(got.body, message.body) {
			t.Errorf("%d bytes did not come whole", size)
		}
	}
}

func TestFilesAreSpreadOverPackets(t *testing.T) {
	t.Parallel()
	message := packet{is: packetWill, name: "relay", files: make([]*os.File, 2*packetFiles+1)}
	var sizes []int
	for _, piece := range message.pieces() {
		sizes = append(sizes, len(piece.files))
	}
	if want := []int{packetFiles, packetFiles, 1}; !slices.Equal(sizes, want) {
		t.Errorf("files of the packets: %v, want %v", sizes, want)
	}
}

func TestAMessageHasABound(t *testing.T) {
	t.Parallel()
	for is, limit := range map[packetType]int{packetTell: MaxMessage, packetLeft: maxControl} {
		var w whole
		var err error
		pieces := 0
		for err == nil && pieces <= limit/maxPacket+2 {
			_, err = w.add(packet{is: is, more: true, body: make([]byte, maxPacket)})
			pieces++
		}
		if !errors.Is(err, errPacket) {
			t.Errorf("%d packets of type %d are taken, want a fault after %d bytes", pieces, is, limit)
		}
	}
}

// FuzzPacket holds that what is taken is what was sent.
func FuzzPacket(f *testing.F) {
	f.Add([]byte{byte(packetTell), 0, 4, 'k', 'i', 'n', 'd', 'b', 'o', 'd', 'y'})
	f.Add([]byte{byte(packetEstate), 1, 0})
	f.Add([]byte{0, 0, 0})
	f.Add([]byte{byte(packetHello), 0, 200, 1})
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := parsePacket(in)
		if err != nil {
			return
		}
		if out := p.appendTo(nil); !bytes.Equal(out, in) {
			t.Fatalf("%v becomes %v", in, out)
		}
	})
}

func TestTakeHidesTheSocket(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environ []string
		wrong   bool
	}{
		{[]string{"A=1", "B=2"}, false},
		{[]string{"A=1", Variable + "=0"}, true},
		{[]string{"A=1", Variable + "=three"}, true},
	} {
		rest, from, err := Take(c.environ)
		if from != nil || (err != nil) != c.wrong || !slices.Equal(rest, c.environ) {
			t.Errorf("Take(%s) = %v, %v, %v", strings.Join(c.environ, " "), rest, from, err)
		}
	}
}

// TestALargeMachineHasRoom holds that what a relay leaves, one socket for each core,
// address and process, is not too much for one bequest.
func TestALargeMachineHasRoom(t *testing.T) {
	t.Parallel()
	const addresses = 2 // IPv4 and IPv6
	for _, cores := range []int{2, 32, 64, 128, 256, 384} {
		if files := cores * addresses * (1 + MaxRetired); files > MaxFiles {
			t.Errorf("with %d cores and %d retired processes there are %d files, more than %d", cores, MaxRetired, files, MaxFiles)
		}
	}
}
