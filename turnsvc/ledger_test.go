package turnsvc

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLedgerText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want ledger
	}{
		{`{}`, ledger{}},
		{"{\"2026-09\":73014444032,\"2026-10\":1234567}\n", ledger{"2026-09": 73014444032, "2026-10": 1234567}},
	} {
		if got, err := parseLedger([]byte(c.text)); err != nil || !maps.Equal(got, c.want) {
			t.Errorf("parseLedger(%s) = %v, %v, want %v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{
		"", "null", "7", "[]", "{", `{"2026-10":12`, `{"2026-10":"12"}`, `{"2026-10":1.5}`, `{"2026-10":-1}`,
		`{"2026-13":1}`, `{"2026-1":1}`, `{"26-10":1}`, `{"":1}`, `{"2026-10":9223372036854775808}`, `{} {}`, "\x00\x00\x00",
	} {
		if got, err := parseLedger([]byte(text)); !errors.Is(err, errLedger) {
			t.Errorf("parseLedger(%q) = %v, %v, want %v", text, got, err, errLedger)
		}
	}
}

// FuzzLedger holds that what is read has months and no debts, and is read again
// as it is written.
func FuzzLedger(f *testing.F) {
	f.Add([]byte(`{"2026-09":73014444032,"2026-10":1234567}`))
	f.Add([]byte(`{"2026-10":1,"2026-10":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseLedger(text)
		if err != nil {
			return
		}
		for month, spent := range l {
			if _, err := time.Parse("2006-01", month); err != nil || spent < 0 {
				t.Fatalf("%q is read as %d in %q", text, spent, month)
			}
		}
		if again, err := parseLedger(l.format()); err != nil || !maps.Equal(again, l) {
			t.Fatalf("%q is read as %v, and then as %v, %v", text, l, again, err)
		}
	})
}

func TestLedgerFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "budget")
	if l, err := readLedger(path); err != nil || len(l) != 0 {
		t.Errorf("readLedger of no file = %v, %v, want an empty one", l, err)
	}
	for _, want := range []ledger{{"2026-10": 123456789}, {"2026-10": 1}} { // the second is shorter
		if err := want.write(path); err != nil {
			t.Fatal(err)
		}
		if got, err := readLedger(path); err != nil || !maps.Equal(got, want) {
			t.Errorf("readLedger = %v, %v, want %v", got, err, want)
		}
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("the folder holds %v, %v, want nothing but the ledger", files, err)
	}
}

func TestLedgerThatCannotBeReadIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	corrupt := filepath.Join(dir, "corrupt")
	if err := os.WriteFile(corrupt, []byte(`{"2026-10":12`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{corrupt, dir, filepath.Join(corrupt, "below a file")} {
		if _, err := readLedger(path); err == nil || !strings.Contains(err.Error(), path) && !strings.Contains(err.Error(), filepath.Dir(path)) {
			t.Errorf("readLedger(%s) = %v, want an error that names it", path, err)
		}
	}
}

func TestLedgerForgetsTheOldest(t *testing.T) {
	t.Parallel()
	l := ledger{"2020-01": 7}
	for month := range 40 {
		l[fmt.Sprintf("%d-%02d", 2026+month/12, month%12+1)] = int64(month)
	}
	l.trim("2020-01")
	if _, kept := l["2020-01"]; len(l) != ledgerMonths+1 || !kept || l["2029-04"] != 39 {
		t.Errorf("trim left %v, want the present month and the newest %d", l, ledgerMonths)
	}
}
