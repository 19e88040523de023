package match

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
)

const (
	// saveEvery is how often it is looked whether there is something to write
	// down: a crash forgets the bans of this time at most.
	saveEvery = time.Second
	// saveReports is how long mere reports may wait, and how long it takes
	// until a disk that was full is tried again.
	saveReports = time.Minute
)

// bansFormat is the version of the file.
const bansFormat = 1

var errBans = errors.New("it does not hold bans as this program writes them")

// savedBans is the file.
type savedBans struct {
	Format  int           `json:"format"`
	Records []savedRecord `json:"records"` // those that changed longest ago first
}

type savedRecord struct {
	Mark mark      `json:"mark"`
	At   time.Time `json:"at"`
	record
}

// OpenBans reads the bans that were kept. Where there is no file yet, there
// are none; one that cannot be read is an error, for without a word everybody
// would be back.
func OpenBans(cfg BansConfig) (*Bans, error) {
	b := newBans(cfg)
	if cfg.File == "" {
		return b, nil
	}
	saved, err := readBans(cfg.File)
	if err != nil {
		return nil, fmt.Errorf("read the bans in %s: %w", cfg.File, err)
	}
	b.restore(saved, time.Now())
	return b, nil
}

func readBans(path string) (saved savedBans, err error) {
	text, err := durable.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return saved, nil
	}
	if err != nil {
		return saved, err
	}
	return parseBans(text)
}

func parseBans(text []byte) (saved savedBans, err error) {
	if json.Unmarshal(text, &saved) != nil || saved.Format != bansFormat {
		return savedBans{}, errBans
	}
	for _, r := range saved.Records {
		if !r.valid() {
			return savedBans{}, errBans
		}
	}
	return saved, nil
}

// restore takes over what was saved, but not what is over.
func (b *Bans) restore(saved savedBans, now time.Time) {
	for _, r := range saved.Records {
		table := &b.suspects
		if r.Times > 0 {
			table = &b.culprits
		}
		if now.Sub(r.At) <= table.life {
			*table.touch(r.Mark, r.At) = r.record
		}
	}
}

// snapshot is what is to be saved.
func (b *Bans) snapshot(now time.Time) savedBans {
	b.mu.Lock()
	defer b.mu.Unlock()
	saved := savedBans{Format: bansFormat, Records: make([]savedRecord, 0, len(b.suspects.entries)+len(b.culprits.entries))}
	for _, table := range []*recent[mark, record]{&b.suspects, &b.culprits} {
		table.all(func(at time.Time, m mark, r *record) {
			if now.Sub(at) <= table.life {
				copied := *r
				copied.Complaints = slices.Clone(r.Complaints)
				saved.Records = append(saved.Records, savedRecord{m, at.UTC(), copied})
			}
		})
	}
	b.changed, b.urgent, b.tried = false, false, now
	return saved
}

// serve writes down what has changed until ctx ends, and then once more.
func (b *Bans) serve(ctx context.Context) {
	if b.cfg.File == "" {
		return
	}
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if b.due(now) {
				_ = b.save() // it was logged
			}
		case <-ctx.Done():
			if b.due(time.Now().Add(saveReports)) {
				_ = b.save() // it was logged
			}
			return
		}
	}
}

// due tells whether something has to be written down.
func (b *Bans) due(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.urgent || b.changed && now.Sub(b.tried) >= saveReports
}

// save writes everything down. A full disk loses nothing that is in memory:
// it is logged when it begins, and tried again.
func (b *Bans) save() error {
	if b.cfg.File == "" {
		return nil
	}
	b.saving.Lock()
	defer b.saving.Unlock()
	if b.retired {
		return nil
	}
	err := writeBans(b.cfg.File, b.snapshot(time.Now()))
	switch {
	case err != nil && !b.broken:
		b.cfg.Log.Warn("bans cannot be written down", "err", err.Error())
	case err == nil && b.broken:
		b.cfg.Log.Info("bans can be written down again")
	}
	b.broken = err != nil
	if err != nil {
		b.mu.Lock()
		b.changed = true
		b.mu.Unlock()
	}
	return err
}

func writeBans(path string, saved savedBans) error {
	text, err := json.Marshal(saved)
	if err != nil {
		panic("match: bans do not marshal: " + err.Error())
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.Write(path, append(text, '\n'))
}
