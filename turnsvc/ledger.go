package turnsvc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
)

// ledgerMonths bounds how many months a ledger remembers, for the operator.
const ledgerMonths = 24

const monthLayout = "2006-01"

var errLedger = errors.New(`not the bytes of each month, as in {"2026-10":1234567}`)

// A ledger is how many bytes were spent in each month, by the calendar of UTC:
//
//	{"2026-09":73014444032,"2026-10":1234567}
type ledger map[string]int64

func monthOf(t time.Time) string { return t.UTC().Format(monthLayout) }

// readLedger reads a ledger from a file; where there is none yet, it is empty.
func readLedger(path string) (ledger, error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return ledger{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // nothing was written
	text, err := root.ReadFile(filepath.Base(path))
	if errors.Is(err, fs.ErrNotExist) {
		return ledger{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l, err := parseLedger(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

func parseLedger(text []byte) (ledger, error) {
	var l ledger
	if err := json.Unmarshal(text, &l); err != nil || l == nil {
		return nil, errLedger
	}
	for month, bytes := range l {
		if t, err := time.Parse(monthLayout, month); err != nil || monthOf(t) != month || bytes < 0 {
			return nil, errLedger
		}
	}
	return l, nil
}

func (l ledger) format() []byte {
	text, err := json.Marshal(l)
	if err != nil {
		panic("turnsvc: a ledger is not JSON: " + err.Error())
	}
	return append(text, '\n')
}

func (l ledger) write(path string) error { return durable.Write(path, l.format()) }

// trim forgets the oldest months, but not the present one: with a clock that was
// wrong once, it may be among them.
func (l ledger) trim(present string) {
	months := slices.Sorted(maps.Keys(l))
	for _, month := range months[:max(0, len(months)-ledgerMonths)] {
		if month != present {
			delete(l, month)
		}
	}
}
