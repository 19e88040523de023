package arrivals

import "time"

// Bounds of the pause between two tries of a system call that fails, such as
// accept when the process has no descriptor left.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// A Pause grows from try to try, up to a second. The zero value is ready.
type Pause struct{ last time.Duration }

// Wait waits and reports true, or false as soon as done is closed.
func (p *Pause) Wait(done <-chan struct{}) bool {
	p.last = min(max(2*p.last, minPause), maxPause)
	timer := time.NewTimer(p.last)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
		return false
	}
}

// Reset follows a try that went well.
func (p *Pause) Reset() { p.last = 0 }
