//go:build soak

package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// farewell is how long somebody takes who leaves: what he says then is not said again.
const farewell = 3 * time.Second

// bill is what a ledger says in the end.
type bill struct {
	Dialogues, Met    int
	Said, Heard       int
	Direct            int           // of what was heard
	Slowest, Recovers time.Duration // the longest way of a message: while nothing befell its way; and not counting the faults
	Meets             time.Duration // the longest until friends met, not counting the faults
	Interruptions     int
	Resumed           time.Duration // the longest
	Failures          map[string]int
	Broken            map[string][]string
}

// judge looks at all that has happened until now.
func (l *ledger) judge() *bill {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := &bill{Dialogues: len(l.dialogues), Failures: maps.Clone(l.failures), Broken: map[string][]string{}, Interruptions: len(l.resumed)}
	for promise, list := range l.broken {
		v.Broken[promise] = slices.Clone(list)
	}
	if len(l.resumed) > 0 {
		v.Resumed = slices.Max(l.resumed)
	}
	slices.SortFunc(l.misfortunes, func(a, b misfortune) int { return byStart(a.trouble, b.trouble) })
	for _, d := range l.dialogues {
		l.judgeMeeting(v, d)
		for i, s := range d.sides {
			l.judgeMessages(v, d, s, d.sides[1-i])
		}
		l.judgeEnd(v, d)
	}
	return v
}

// troublesOf is what befell some places, and those times.
func (l *ledger) troublesOf(where place) (list []trouble) {
	for _, m := range l.misfortunes {
		if m.where&where != 0 {
			list = append(list, m.trouble)
		}
	}
	return list
}

func (v *bill) breaks(promise, format string, args ...any) {
	v.Broken[promise] = append(v.Broken[promise], fmt.Sprintf(format, args...))
}

// judgeMeeting wants friends to meet soon who both look for one another.
func (l *ledger) judgeMeeting(v *bill, d *dialogue) {
	a, b := d.sides[0], d.sides[1]
	if a.first == 0 || b.first == 0 {
		return
	}
	met := max(a.met, b.met)
	switch {
	case a.met > 0 && b.met > 0:
		v.Met++
	case d.leaves > 0:
		met = d.leaves
	default:
		met = l.now()
	}
	all, asked := l.troublesOf(anywhere), max(a.first, b.first)
	took, bound := calmOf(all, asked, met), resumesWithin
	if took < met-asked {
		bound += spoiledWithin
	}
	v.Meets = max(v.Meets, took)
	if took > bound {
		v.breaks("nobody waits while a fitting partner waits", "the friends %s, %s, have met after %v of calm (asked at %v, %d and %d attempts failed)", d.id, d.kind, took, asked, a.failures, b.failures)
	}
}

// judgeMessages wants all that was said to be heard soon. What is said directly is,
// whatever befalls the server, unless it comes after something that is still under
// way by the relay: messages keep their order.
func (l *ledger) judgeMessages(v *bill, d *dialogue, from, to *speaker) {
	until := l.now()
	if d.leaves > 0 {
		until = d.leaves // what was under way then may be lost
	}
	all, own, directly := l.troublesOf(anywhere), l.troublesOf(d.kind.needs()), l.troublesOf(d.kind.needs()&^atServer)
	v.Said += len(from.said)
	v.Heard += len(to.heard)
	if from.delivered > len(to.heard) {
		v.breaks("nothing is reported delivered that is not", "%s was told that %d is, %s has heard %d", from.id, from.delivered, to.id, len(to.heard))
	}
	behind := time.Duration(0) // until when what came after waits for something that passed the server
	for i, u := range from.said {
		heard, arrived := until, i < len(to.heard)
		if arrived {
			heard = to.heard[i]
		}
		alone := u.direct && behind <= u.at
		if !alone {
			behind = heard
		}
		if u.direct && arrived {
			v.Direct++
		}
		if u.at >= until || slices.ContainsFunc(to.deaf, func(t trouble) bool { return t.from < heard && t.to > u.at }) {
			continue
		}
		troubles := own
		if alone {
			troubles = directly
		}
		took, bound, most := heard-u.at, carriesWithin, &v.Slowest
		if calmOf(troubles, u.at-resumesWithin, heard) != took+resumesWithin { // who finds another way may need a while for it, and for the way back
			took, bound, most = calmOf(all, u.at, heard), resumesWithin, &v.Recovers
		}
		*most = max(*most, took)
		if took > bound {
			v.breaks("messages arrive soon, and direct ones without the server", "message %d of %s, %s (direct: %t), said at %v: %v (heard: %t)", i+1, from.id, d.kind, u.direct, u.at, took, arrived)
		}
	}
	if d.hushed && d.leaves > 0 && to.met > 0 && len(to.heard) < len(from.said) {
		v.breaks("messages arrive in order, and none is lost", "%s has said %d and %s heard %d before they left, %s", from.id, len(from.said), to.id, len(to.heard), d.kind)
	}
}

// judgeEnd wants whoever stays to be told that the other one has left.
func (l *ledger) judgeEnd(v *bill, d *dialogue) {
	a, b := d.sides[0], d.sides[1]
	if d.leaves == 0 || a.met == 0 || b.met == 0 {
		return
	}
	for _, s := range d.sides {
		until := l.now()
		if s.ended > 0 || s.parted > 0 {
			until = max(s.ended, s.parted)
		}
		bound, all := ghostWithin, l.troublesOf(anywhere)
		if calmOf(all, d.leaves-farewell, d.leaves+farewell) < 2*farewell { // what he said when he left may have been lost
			bound = heldWithin
		}
		if alone := calmOf(all, d.leaves, until); alone > bound {
			v.breaks("ghosts are noticed", "%s, %s, was alone for %v from %v", s.id, d.kind, alone, d.leaves)
		}
	}
}

// count is how many promises were broken how often.
func (v *bill) count() (n int) {
	for _, list := range v.Broken {
		n += len(list)
	}
	return n
}

// why lists some of them.
func (v *bill) why() string {
	var b strings.Builder
	for _, promise := range slices.Sorted(maps.Keys(v.Broken)) {
		list := v.Broken[promise]
		_, _ = fmt.Fprintf(&b, "%s: %d times not so\n", promise, len(list))
		for _, what := range list[:min(len(list), mostExamples)] {
			_, _ = fmt.Fprintf(&b, "    %s\n", what)
		}
	}
	return b.String()
}
