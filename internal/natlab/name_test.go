package natlab

import (
	"os"
	"slices"
	"testing"
)

func TestLabNameIsReadBack(t *testing.T) {
	t.Parallel()
	name := newLabName()
	if name.pid != os.Getpid() {
		t.Errorf("newLabName().pid = %d, want %d", name.pid, os.Getpid())
	}
	if again, ok := parseLabName(name.part("srv")); !ok || again != name {
		t.Errorf("parseLabName(%q) = %v, %t, want %v", name.part("srv"), again, ok, name)
	}
	if other := newLabName(); other == name {
		t.Errorf("newLabName() = %v twice", name)
	}
}

func TestParseLabName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		namespace string
		want      labName
		ok        bool
	}{
		{"a part of a lab", "natlab-12-abc-ra", labName{12, "abc"}, true},
		{"somebody else's namespace", "blue", labName{}, false},
		{"another prefix", "netlab-12-abc-ra", labName{}, false},
		{"no part", "natlab-12-abc", labName{}, false},
		{"an empty part", "natlab-12-abc-", labName{}, false},
		{"too many fields", "natlab-12-abc-ra-x", labName{}, false},
		{"no pid", "natlab-x-abc-ra", labName{}, false},
		{"every process of the machine", "natlab-0-abc-ra", labName{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, ok := parseLabName(c.namespace); ok != c.ok || got != c.want {
				t.Errorf("parseLabName(%q) = %v, %t, want %v, %t", c.namespace, got, ok, c.want, c.ok)
			}
		})
	}
}

func TestOrphansAreTheLabsOfTheDead(t *testing.T) {
	t.Parallel()
	dead, living := labName{12, "abc"}, labName{34, "def"}
	namespaces := []string{"blue", dead.part("srv"), living.part("srv"), dead.part("ra"), "natlab-12"}
	got := orphans(namespaces, func(pid int) bool { return pid == living.pid })
	if want := []string{dead.part("srv"), dead.part("ra")}; !slices.Equal(got, want) {
		t.Errorf("orphans(%q) = %q, want %q", namespaces, got, want)
	}
}
