package edge

import "time"

// Bounds of the pause after an accept that failed, as it does when the process
// has no descriptor left.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// pause grows from failure to failure. The zero value is ready.
type pause struct{ last time.Duration }

// wait waits, until done is closed at most.
func (p *pause) wait(done <-chan struct{}) {
	p.last = min(max(2*p.last, minPause), maxPause)
	timer := time.NewTimer(p.last)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	}
}

// reset follows an accept that went well.
func (p *pause) reset() { p.last = 0 }
