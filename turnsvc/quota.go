package turnsvc

import (
	"net/netip"
	"sync"
)

// quota counts allocations, from the yes to the request until the relay socket
// is closed, so that the limits hold exactly however many ask at once.
type quota struct {
	mu sync.Mutex // guards the fields below

	total, perUser, perAddr int // the limits

	all      int
	users    map[string]int
	sources  map[netip.Prefix]int
	draining bool
	others   *others       // what is counted in other processes; nil: nothing
	leaving  int           // clients who give an allocation back, until they are answered
	empty    chan struct{} // closed when draining and nothing is left, leaving neither
}

func newQuota(total, perUser, perAddr int) *quota {
	return &quota{
		total: total, perUser: perUser, perAddr: perAddr,
		users: map[string]int{}, sources: map[netip.Prefix]int{}, empty: make(chan struct{}),
	}
}

// limit changes the limits. What was taken stays taken.
func (q *quota) limit(total, perUser, perAddr int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total, q.perUser, q.perAddr = total, perUser, perAddr
}

// limits is how many there may be, in all and from one source.
func (q *quota) limits() (total, perAddr int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total, q.perAddr
}

// perMember is how many there may be for one user and from one source.
func (q *quota) perMember() (perUser, perAddr int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.perUser, q.perAddr
}

// take counts one allocation, unless that would be one too many.
func (q *quota) take(user string, from netip.Prefix) bool { return q.takeBeside(user, from, 0, 0) }

// takeBeside is take where the user and the source have some elsewhere.
func (q *quota) takeBeside(user string, from netip.Prefix, ofUser, ofSource int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.others != nil {
		u, s := q.others.of(user, from)
		ofUser, ofSource = ofUser+u, ofSource+s
	}
	if q.draining || q.all+q.others.total() >= q.total || q.users[user]+ofUser >= q.perUser || q.sources[from]+ofSource >= q.perAddr {
		return false
	}
	q.all++
	q.users[user]++
	q.sources[from]++
	return true
}

// giveBack undoes one take.
func (q *quota) giveBack(user string, from netip.Prefix) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all--
	if q.users[user]--; q.users[user] == 0 {
		delete(q.users, user)
	}
	if q.sources[from]--; q.sources[from] == 0 {
		delete(q.sources, from)
	}
	q.settle()
}

// settle tells, once, when all is drained.
func (q *quota) settle() {
	if !q.draining || q.all > 0 || q.leaving > 0 {
		return
	}
	select {
	case <-q.empty: // is known
	default:
		close(q.empty)
	}
}

// leave is when a client gives an allocation back, and left when it was answered:
// what it had is free before, and who drains must not close its socket by then.
func (q *quota) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.leaving++
}

func (q *quota) left() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.leaving--
	q.settle()
}

// drain refuses everybody from now on. The channel is closed when nothing is
// left. It is called once.
func (q *quota) drain() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.draining = true
	q.settle()
	return q.empty
}

func (q *quota) count() int {
	all, _ := q.inUse(netip.Prefix{})
	return all
}

// inUse is how many are counted, and how many of them from one source.
func (q *quota) inUse(from netip.Prefix) (all, ofSource int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.all, q.sources[from]
}
