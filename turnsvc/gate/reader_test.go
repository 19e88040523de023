package gate

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

func TestReaderCutsFrames(t *testing.T) {
	t.Parallel()
	frames := [][]byte{stunFrame(0), channelFrame(0x4000, 0), channelFrame(0x4fff, 3), stunFrame(1580), channelFrame(0x4001, 1596)}
	in := slices.Concat(frames...)
	for _, c := range []struct {
		name string
		in   io.Reader
		last error
	}{
		{"all at once", bytes.NewReader(in), io.EOF},
		{"byte by byte", iotest.OneByteReader(bytes.NewReader(in)), io.EOF},
		{"with the end in the last read", iotest.DataErrReader(bytes.NewReader(in)), io.EOF},
		{"with half a frame behind", bytes.NewReader(append(slices.Clone(in), 0, 1, 0)), io.ErrUnexpectedEOF},
		{"with garbage behind", bytes.NewReader(append(slices.Clone(in), 0xff)), ErrFrame},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := NewReader(c.in)
			for i, want := range frames {
				if got, err := r.Next(); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("Next() number %d = %d bytes, %v, want %d bytes", i, len(got), err, len(want))
				}
			}
			if _, err := r.Next(); !errors.Is(err, c.last) {
				t.Errorf("the last Next() = %v, want %v", err, c.last)
			}
		})
	}
}

// Stock pion recurses for every read of a frame and keeps about 1 MB for one
// that drips.
func TestDrippedFramesCostNoMemory(t *testing.T) {
	drip := &endless{frame: stunFrame(1580)}
	r := NewReader(drip)
	allocs := testing.AllocsPerRun(10, func() {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("a frame of 1600 bytes in 1600 reads makes %v allocations, want 0", allocs)
	}
}

// endless repeats a frame for ever, a byte a read.
type endless struct {
	frame []byte
	at    int
}

func (e *endless) Read(p []byte) (int, error) {
	p[0] = e.frame[e.at]
	e.at = (e.at + 1) % len(e.frame)
	return 1, nil
}

// FuzzReader holds that what comes out is a prefix of what goes in, cut into
// whole frames; that what is left behind is no whole frame; and that it does not
// matter how the stream was chopped.
func FuzzReader(f *testing.F) {
	f.Add(slices.Concat(stunFrame(8), channelFrame(0x4000, 3), []byte{0xff}), uint8(1))
	f.Add([]byte{0, 1, 0xff, 0xec, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(3))
	f.Add([]byte{0x40, 0, 0xff, 0xff, 0, 0, 0, 0, 0}, uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, chop uint8) {
		frames, end := readAll(bytes.NewReader(in))
		left := in
		for _, frame := range frames {
			if size, err := frameSize(frame); err != nil || size != len(frame) || size > MaxFrameBytes {
				t.Fatalf("frame %x: frameSize = %d, %v, but it has %d bytes", frame, size, err, len(frame))
			}
			if !bytes.HasPrefix(left, frame) {
				t.Fatalf("frame %x was not next in %x", frame, left)
			}
			left = left[len(frame):]
		}
		if size, err := frameSize(left); err == nil && size > 0 && size <= len(left) {
			t.Fatalf("a whole frame of %d bytes was left behind in %x", size, left)
		}
		again, endAgain := readAll(&chopped{in: in, size: int(chop)%7 + 1})
		if !slices.EqualFunc(frames, again, bytes.Equal) || !errors.Is(endAgain, end) {
			t.Fatalf("chopped: %d frames, %v, want %d frames, %v", len(again), endAgain, len(frames), end)
		}
	})
}

func readAll(src io.Reader) (frames [][]byte, err error) {
	r := NewReader(src)
	for {
		frame, err := r.Next()
		if err != nil {
			return frames, err
		}
		frames = append(frames, slices.Clone(frame))
	}
}

// chopped gives a few bytes a read.
type chopped struct {
	in   []byte
	size int
}

func (c *chopped) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.in[:min(c.size, len(c.in))])
	c.in = c.in[n:]
	return n, nil
}
