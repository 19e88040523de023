package gate

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

// stunFrame is a STUN message with length in its header and that many bytes behind.
func stunFrame(length int) []byte {
	head := []byte{0, 1, byte(length >> 8), byte(length), 0x21, 0x12, 0xA4, 0x42}
	return append(head, make([]byte, 12+length)...)
}

// channelFrame is ChannelData with data bytes, padded as streams want it.
func channelFrame(number, data int) []byte {
	head := []byte{byte(number >> 8), byte(number), byte(data >> 8), byte(data)}
	return append(head, make([]byte, (data+3)&^3)...)
}

func TestFrameSize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		head string // hex
		size int
		err  error
	}{
		{"nothing tells nothing", "", 0, nil},
		{"one byte of STUN tells nothing yet", "00", 0, nil},
		{"STUN waits for its cookie", "00010000 2112a4", 0, nil},
		{"STUN without attributes is 20 bytes", "00010000 2112a442", 20, nil},
		{"the longest STUN message passes", "0001062c 2112a442", 1600, nil},
		{"a longer one is refused before its cookie", "00010630", 0, ErrFrame},
		{"a STUN length that is no multiple of 4 is refused", "00010002", 0, ErrFrame},
		{"a STUN length that wraps around to 0 is refused", "0001ffec", 0, ErrFrame},
		{"another cookie is refused", "00010000 2112a443", 0, ErrFrame},
		{"empty ChannelData is a frame", "40000000", 4, nil},
		{"ChannelData of 1 byte is padded to 8", "40000001", 8, nil},
		{"the last channel number passes", "4fff0004", 8, nil},
		{"the longest ChannelData passes", "4000063c", 1600, nil},
		{"a longer one is refused", "4000063d", 0, ErrFrame},
		{"a ChannelData length that wraps around is refused", "4000fffc", 0, ErrFrame},
		{"the largest length is refused", "4000ffff", 0, ErrFrame},
		{"channel 0x5000 is refused at its first byte", "50", 0, ErrFrame},
		{"channel 0x7fff is refused", "7fff0000", 0, ErrFrame},
		{"RTP is refused", "80", 0, ErrFrame},
		{"HTTP is refused", hex.EncodeToString([]byte("GET / HTTP/1.1")), 0, ErrFrame},
		{"TLS is refused", "16030100f8010000", 0, ErrFrame},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			head, err := hex.DecodeString(strings.ReplaceAll(c.head, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			size, err := frameSize(head)
			if size != c.size || !errors.Is(err, c.err) {
				t.Errorf("frameSize(%x) = %d, %v, want %d, %v", head, size, err, c.size, c.err)
			}
		})
	}
}

func TestIsMessage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		datagram []byte
		want     bool
	}{
		{"an empty datagram is none", nil, false},
		{"a STUN message is one", stunFrame(8), true},
		{"a STUN message with a byte behind is none", append(stunFrame(8), 0), false},
		{"a STUN message cut short is none", stunFrame(8)[:24], false},
		{"padded ChannelData is one", channelFrame(0x4000, 5), true},
		{"ChannelData without padding is one", channelFrame(0x4000, 5)[:9], true},
		{"ChannelData with half of its padding is one", channelFrame(0x4000, 5)[:10], true},
		{"ChannelData with more than padding behind is none", append(channelFrame(0x4000, 5), 0), false},
		{"ChannelData cut short is none", channelFrame(0x4000, 5)[:8], false},
		{"a header cut short is none", []byte{0x40}, false},
		{"more than MaxFrameBytes is none", append(channelFrame(0x4000, 1596), 0), false},
		{"DTLS is none", []byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := isMessage(slices.Clone(c.datagram)); got != c.want {
				t.Errorf("isMessage(%x) = %v, want %v", c.datagram, got, c.want)
			}
		})
	}
}
