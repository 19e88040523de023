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
	for _, p := range []pace{{oneWay: 1}, {late: 1, percent: 100}} {
		flood, prompt, late := frames(10*maxDelayed), make(chan delayed, maxDelayed), make(chan delayed, maxDelayed)
		line := new(delayLine)
		line.pace.Store(&p)
		line.take(&flood, prompt, late) // returns, though nobody empties the queues
		held := 0
		for range prompt {
			held++
		}
		for range late {
			held++
		}
		if held != maxDelayed {
			t.Errorf("%+v: it holds %d frames, want %d", p, held, maxDelayed)
		}
	}
}

// TestJitterStaysWithinItsSpread draws many times.
func TestJitterStaysWithinItsSpread(t *testing.T) {
	t.Parallel()
	const oneWay, spread = 40 * time.Millisecond, 5 * time.Millisecond
	steady, varies := pace{oneWay: oneWay}, pace{oneWay: oneWay, spread: spread}
	if got := steady.time(); got != oneWay {
		t.Errorf("without jitter a frame takes %v, want %v", got, oneWay)
	}
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		took := varies.time()
		least, most = min(least, took), max(most, took)
	}
	if least < oneWay-spread || most > oneWay+spread {
		t.Errorf("at 40 ms ± 5 ms frames take %v to %v", least, most)
	}
	if most-least < spread {
		t.Errorf("at 40 ms ± 5 ms frames take %v to %v: hardly any jitter", least, most)
	}
}
