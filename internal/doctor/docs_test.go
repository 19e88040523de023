package doctor

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsHaveEveryCause holds docs/doctor.md to the causes and checks that there
// are.
func TestDocsHaveEveryCause(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	section := func(title string) string {
		_, rest, _ := strings.Cut(string(text), "\n## "+title+"\n")
		body, _, _ := strings.Cut(rest, "\n## ")
		return body
	}
	var causes []Cause
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|").FindAllStringSubmatch(section("The causes"), -1) {
		causes = append(causes, Cause(row[1]))
	}
	want := Causes()
	slices.Sort(causes)
	slices.Sort(want)
	if !slices.Equal(causes, want) {
		t.Errorf("docs/doctor.md has %q, want %q", causes, want)
	}
	checks := section("The checks")
	for _, id := range order() {
		if !strings.Contains(checks, "`"+id+"`") {
			t.Errorf("docs/doctor.md does not say what %q looks at", id)
		}
	}
}
