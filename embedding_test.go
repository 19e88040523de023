package wasmp2pchat_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestEmbeddingShowsTheExamples holds docs/embedding.md to examples that are
// compiled and run.
func TestEmbeddingShowsTheExamples(t *testing.T) {
	t.Parallel()
	page := text(t, "docs/embedding.md")
	shown := 0
	for file, names := range map[string][]string{
		"turnsvc/example_test.go": {"Example", "ExampleIssuer_RoomCredential"},
		"match/example_test.go":   {"Example"},
		"signal/example_test.go":  {"Example"},
		"peer/example_test.go":    {"Example"},
	} {
		for _, name := range names {
			if !strings.Contains(page, "```go\n"+exampleBody(t, file, name)+"```\n") {
				t.Errorf("docs/embedding.md does not show %s of %s as it is", name, file)
			}
			shown++
		}
	}
	if blocks := strings.Count(page, "```go\n"); blocks != shown {
		t.Errorf("docs/embedding.md has %d blocks of Go, of which %d are compiled", blocks, shown)
	}
}

// exampleBody is what stands in an example before its output.
func exampleBody(t *testing.T, file, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?s)\nfunc ` + name + `\(\) \{\n(.*?)\n\t// Output:`).FindStringSubmatch(text(t, file))
	if found == nil {
		t.Fatalf("%s has no %s with an output", file, name)
	}
	return strings.TrimRight(regexp.MustCompile(`(?m)^\t`).ReplaceAllString(found[1], ""), "\n") + "\n"
}
