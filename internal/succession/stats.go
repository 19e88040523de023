package succession

import (
	"maps"
	"slices"
)

// Kin are the other processes that live and serve or have served, the oldest first;
// in a new one from Ready on.
func (l *Line) Kin() []string {
	var list []string
	for _, k := range l.joined() {
		list = append(list, k.process.Node)
	}
	return list
}

// Retired is closed when a newer process has taken over.
func (l *Line) Retired() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.retired
}

// WhenRetired has a function called when a newer process has taken over, at once if
// one has. It must not wait.
func (l *Line) WhenRetired(do func()) {
	if l == nil {
		return
	}
	l.mu.Lock()
	late := l.current != l.node
	if !late {
		l.then = append(l.then, do)
	}
	l.mu.Unlock()
	if late {
		do()
	}
}

// Left is what this process keeps that cannot be handed over, by part.
func (l *Line) Left() map[string]int {
	if l == nil {
		return nil
	}
	by, _ := l.left()
	return by
}

// Stats is what an operator may know of a line.
type Stats struct {
	Upgrades int64     // that have been done since the first process
	Failed   int64     // that have not
	Retired  []Process // the older ones that live, the oldest first
}

// Stats counts.
func (l *Line) Stats() Stats {
	if l == nil {
		return Stats{}
	}
	s := Stats{Upgrades: l.upgrades.Load(), Failed: l.failed.Load()}
	for _, k := range l.joined() {
		if k.node < l.node {
			p := k.process
			p.Left = k.keeps()
			s.Retired = append(s.Retired, p)
		}
	}
	return s
}

// LeftInOlder is how much of one part older processes keep, as of a second ago. It
// allocates nothing.
func (l *Line) LeftInOlder(part string) (n int) {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.kin {
		if k.joined && k.node < l.node {
			k.mu.Lock()
			n += k.left[part]
			k.mu.Unlock()
		}
	}
	return n
}

// joined are the others that serve or have served, by age.
func (l *Line) joined() []*kin {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*kin
	for _, node := range slices.Sorted(maps.Keys(l.kin)) {
		if l.kin[node].joined {
			list = append(list, l.kin[node])
		}
	}
	return list
}
