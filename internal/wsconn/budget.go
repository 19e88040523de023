package wsconn

import "time"

// budget is a leaky bucket: what a client spends drains at the rate it is
// allowed. It is one number, because an idle connection has two of them.
type budget struct {
	empty time.Duration // when all that was spent will have drained, on the hub's clock
}

// allowance is what a budget allows.
type allowance struct {
	each  time.Duration // in which one unit drains
	depth time.Duration // how far ahead of the rate a burst may be
}

// allow makes an allowance of a rate per second and a burst.
func allow(rate, burst float64) allowance {
	return allowance{each: time.Duration(float64(time.Second) / rate), depth: time.Duration(float64(time.Second) / rate * burst)}
}

// spend takes n units, unless they are more than is allowed now.
func (b *budget) spend(now time.Duration, n int, a allowance) bool {
	empty := max(b.empty, now) + time.Duration(n)*a.each
	if empty-now > a.depth {
		return false
	}
	b.empty = empty
	return true
}
