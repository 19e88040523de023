package match

import (
	"slices"
	"time"
)

// since is what is known of the reported and the banned that changed at a time or
// later, and which bans were lifted.
func (b *Bans) since(since time.Time) (items []pastItem) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for _, table := range []*recent[mark, record]{&b.suspects, &b.culprits} {
		table.all(func(at time.Time, who mark, r *record) {
			if !at.Before(since) && now.Sub(at) <= table.life {
				copied := *r
				copied.Complaints = slices.Clone(r.Complaints)
				items = append(items, pastItem{Record: &savedRecord{who, at.UTC(), copied}})
			}
		})
	}
	b.lifted.all(func(at time.Time, who mark, lifted *time.Time) {
		if !at.Before(since) && now.Sub(at) <= b.lifted.life {
			items = append(items, pastItem{Ruling: &ruling{Mark: who, Lifted: *lifted}})
		}
	})
	return items
}

// recall takes over a record of another process, unless there is a later one here.
func (b *Bans) recall(r *savedRecord, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	culprit := r.Times > 0
	for _, table := range []*recent[mark, record]{&b.suspects, &b.culprits} {
		if e := table.entries[r.Mark]; e != nil && (e.at.After(r.At) || table == &b.culprits && !culprit) {
			return
		}
	}
	if at := b.lifted.find(r.Mark, now); at != nil && !r.At.After(*at) {
		return
	}
	table := &b.suspects
	if culprit {
		b.suspects.drop(r.Mark)
		table = &b.culprits
	}
	if now.Sub(r.At) <= table.life {
		*table.touch(r.Mark, r.At) = r.record
		b.changed, b.urgent = true, true
	}
}

// retire has the file written no more: another process writes it.
func (b *Bans) retire() {
	b.saving.Lock()
	defer b.saving.Unlock()
	b.retired = true
}

// valid tells whether a record is as this program writes it.
func (r *savedRecord) valid() bool {
	return r.Mark.valid() && !r.At.IsZero() && banKind(r.Kind) && r.Times >= 0 && (r.Times > 0) == (r.Ban.Name != "")
}
