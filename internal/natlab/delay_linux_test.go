package natlab

import (
	"io"
	"testing"
)

// frames gives as many frames as it counts.
type frames int

func (f *frames) Read(p []byte) (int, error) {
	if *f == 0 {
		return 0, io.EOF
	}
	*f--
	return copy(p, "frame"), nil
}

// TestDelayLineDropsWhatItCannotHold floods one that sends nothing on.
func TestDelayLineDropsWhatItCannotHold(t *testing.T) {
	t.Parallel()
	flood, queue := frames(10*maxDelayed), make(chan delayed, maxDelayed)
	new(delayLine).take(&flood, queue) // returns, though nobody empties the queue
	held := 0
	for range queue {
		held++
	}
	if held != maxDelayed {
		t.Errorf("it holds %d frames, want %d", held, maxDelayed)
	}
}
