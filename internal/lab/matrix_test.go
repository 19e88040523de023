package lab

import (
	"slices"
	"strings"
	"testing"
)

func TestMatrix(t *testing.T) {
	t.Parallel()
	pairs, seen := Matrix(), map[string]bool{}
	for _, p := range pairs {
		name := p.Name()
		if seen[name] || seen[p.turned().Name()] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
		if (Best(p) == Way{}) {
			t.Errorf("theory says nothing of %s", name)
		}
	}
	for i, a := range Kinds() {
		for _, b := range Kinds()[i:] {
			if name := string(a) + "-" + string(b); !seen[name] {
				t.Errorf("%s is missing", name)
			}
		}
	}
	for _, circumstance := range []string{"onenat", "relay", "cloud", "loss5", "delay40"} {
		if !slices.ContainsFunc(pairs, func(p Pair) bool { return p.Circumstance() == circumstance }) {
			t.Errorf("no pair has %s", circumstance)
		}
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		patterns string
		want     string // names; or an error
	}{
		{"prcone-symmetric", "prcone-symmetric"},
		{"symmetric-prcone", "prcone-symmetric"},
		{"*/onenat", "prcone-prcone/onenat symmetric-symmetric/onenat udpblocked-udpblocked/onenat tcp443-tcp443/onenat"},
		{"none-none,tcp443-none", "none-none none-tcp443"},
		{"none-none,nobody-*", `no pair is called "nobody-*"`},
		{"[", `pattern "[": syntax error in pattern`},
	} {
		pairs, err := Select(Matrix(), strings.Split(c.patterns, ","))
		var names []string
		for _, p := range pairs {
			names = append(names, p.Name())
		}
		got := strings.Join(names, " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("Select(%q) = %s, want %s", c.patterns, got, c.want)
		}
	}
	if all, err := Select(Matrix(), nil); err != nil || len(all) != len(Matrix()) {
		t.Errorf("Select() without a pattern = %d pairs, %v, want all", len(all), err)
	}
}
