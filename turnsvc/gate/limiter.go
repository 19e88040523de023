package gate

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// What strangers may ask of a server, per Source. A browser needs one request
// without credentials for every allocation, to be told the nonce, and one for its
// address: about 16 within a second of START, with two families, three transports
// and a network or two. So the burst is enough for six who press START at once
// behind one carrier NAT, and the rate for one every second from then on; whoever
// is refused repeats after 500 ms (RFC 8489 §6.2.1) and gets through.
//
// Whom a forger makes us answer receives 20 answers a second of at most 200
// bytes, or 32 kbit/s, of no use to him.
const (
	StrangerRate  = 20  // requests a second
	StrangerBurst = 100 // requests
	// GuessCost is what a request with a wrong password costs, in requests: it
	// makes us compute a MAC, and nobody honest sends two.
	GuessCost = 5
)

// The size of the table of a Limiter: 2 MiB, of which the kernel gives what is
// used.
const (
	limiterSets = 1 << 14
	limiterWays = 7 // with the lock, 128 bytes a set: two cache lines
)

// A Limiter bounds how much each Source asks. It is a table of a fixed size, in
// which every source has its place in one set, which the seed keeps secret:
//
//	set:  lock | source, due | source, due | … 7 accounts
//
// Where the account of a new source would be one too many, the source takes over
// the account that is closest to being paid back, and owes what was owed there. So
// nobody gains by being pushed out: he comes back to an account that owes at least
// what his own did, and the bound of Allow holds exactly, for every source,
// whatever all the others do.
//
// Nobody honest loses by it either. With the numbers above 114,688 accounts pay
// back 2.3 million requests a second. A forger cannot aim at a set, and must keep
// all 7 accounts of one in debt to lock newcomers out of it; with 230,000 forged
// requests a second, more than a socket can receive, he spoils one set in 100,000.
// After a million forged sources in no time a newcomer owes 9 requests of his 100.
//
// All methods may be called by any number of goroutines; nothing is allocated.
type Limiter struct {
	price int64     // what one request costs: the nanoseconds in which it is paid back
	most  int64     // what anybody may owe: the burst
	start time.Time // monotonic: a clock that is set changes nothing
	seed  maphash.Seed
	sets  []limiterSet // limiterSets of them
}

type limiterSet struct {
	mu       sync.Mutex // guards accounts
	accounts [limiterWays]account
	_        [8]byte
}

// account is what a source owes. The zero value is that of a source that owes
// nothing.
type account struct {
	source uint64
	due    int64 // when everything is paid back, in nanoseconds of the Limiter
}

// epoch is the time of a Limiter when it was made. It is later than that of an account
// which owes nothing, whatever times tests have.
const epoch = 1 << 62

// NewLimiter allows every source so many requests at once, and so many a second
// in the long run; both must be more than 0.
func NewLimiter(perSecond float64, burst int) *Limiter {
	price := int64(float64(time.Second) / perSecond)
	return &Limiter{
		price: price, most: int64(burst) * price, start: time.Now(),
		seed: maphash.MakeSeed(), sets: make([]limiterSet, limiterSets),
	}
}

// Allow reports whether a source may have one request answered, and notes it if
// so. In any time T a source is allowed at most burst + perSecond·T. What counts of
// now is the time that has passed, as time.Now has it, whatever the wall clock is set to.
func (l *Limiter) Allow(source netip.Prefix, now time.Time) bool { return l.AllowN(source, 1, now) }

// AllowN is Allow for something that costs as much as n requests: all or nothing.
func (l *Limiter) AllowN(source netip.Prefix, n int, now time.Time) bool {
	key := accountKey(source)
	set := &l.sets[maphash.Comparable(l.seed, key)%limiterSets]
	set.mu.Lock()
	defer set.mu.Unlock()
	return l.charge(set.account(key), int64(n)*l.price, epoch+int64(now.Sub(l.start)))
}

// charge adds cost to what an account owes, unless that would be too much.
func (l *Limiter) charge(a *account, cost, now int64) bool {
	due := max(a.due, now) + cost
	if due > now+l.most {
		return false
	}
	a.due = due
	return true
}

// account finds the account of a source, or takes over another one. The lock is
// held.
func (s *limiterSet) account(source uint64) *account {
	least := &s.accounts[0]
	for i := range s.accounts {
		a := &s.accounts[i]
		if a.source == source {
			return a
		}
		if a.due < least.due {
			least = a
		}
	}
	least.source = source
	return least
}

// accountKey is a Source as a number. IPv4 addresses lie where IPv6 has only
// reserved networks (0000::/8), so that no two that exist are the same.
func accountKey(source netip.Prefix) uint64 {
	addr := source.Addr()
	if addr.Is4() {
		ip := addr.As4()
		return 0xffff<<32 | uint64(binary.BigEndian.Uint32(ip[:]))
	}
	ip := addr.As16()
	return binary.BigEndian.Uint64(ip[:8])
}
