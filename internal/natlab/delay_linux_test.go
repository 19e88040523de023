package natlab

import (
	"io"
	"testing"
	"time"
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

// TestJitterStaysWithinItsSpread draws many times.
func TestJitterStaysWithinItsSpread(t *testing.T) {
	t.Parallel()
	const oneWay, spread = 40 * time.Millisecond, 5 * time.Millisecond
	line := &delayLine{}
	line.oneWay.Store(int64(oneWay))
	if got := line.time(); got != oneWay {
		t.Errorf("without jitter a frame takes %v, want %v", got, oneWay)
	}
	line.spread.Store(int64(spread))
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		took := line.time()
		least, most = min(least, took), max(most, took)
	}
	if least < oneWay-spread || most > oneWay+spread {
		t.Errorf("at 40 ms ± 5 ms frames take %v to %v", least, most)
	}
	if most-least < spread {
		t.Errorf("at 40 ms ± 5 ms frames take %v to %v: hardly any jitter", least, most)
	}
}
