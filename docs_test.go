package wasmp2pchat_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// translated are the documents that people read in their own language: the
// English one first, then French and Japanese.
func translated() [][3]string {
	return [][3]string{
		{"README.md", "docs/README.fr.md", "docs/README.ja.md"},
		{"docs/vps.md", "docs/vps.fr.md", "docs/vps.ja.md"},
	}
}

// TestTranslationsSayTheSame holds a translation to its original: the same
// headings, commands, tables, names in code and links, in the same order.
func TestTranslationsSayTheSame(t *testing.T) {
	t.Parallel()
	for _, set := range translated() {
		want := skeleton(t, set[0])
		if len(want) < 10 {
			t.Errorf("%s has a skeleton of %d bones: nothing is compared", set[0], len(want))
		}
		for _, name := range set[1:] {
			for i, got := range skeleton(t, name) {
				if i >= len(want) || got != want[i] {
					t.Errorf("%s: bone %d is %q, want %q as in %s", name, i, got, slices.Concat(want, make([]string, i+1))[i], set[0])
					break
				}
			}
			if n := len(skeleton(t, name)); n < len(want) {
				t.Errorf("%s ends before %q of %s", name, want[n], set[0])
			}
		}
	}
}

// TestTheSkeletonSeesWhatDiffers keeps the comparison from holding by itself.
func TestTheSkeletonSeesWhatDiffers(t *testing.T) {
	t.Parallel()
	const original = "# A\n\nText `code` and [more](docs/x.md).\n\n    make run  # why\n\n| a | b |\n|---|---|\n| `x` | y |\n"
	for name, change := range map[string][2]string{
		"a heading of another level":  {"# A", "## A"},
		"another command":             {"make run", "make walk"},
		"another name in code":        {"`code`", "`kode`"},
		"another link":                {"docs/x.md", "docs/y.md"},
		"a row too many":              {"| `x` | y |\n", "| `x` | y |\n| z | z |\n"},
		"a column too many":           {"| y |", "| y | y |"},
		"another name in a table":     {"`x`", "`z`"},
		"a paragraph's name left out": {"`code`", "code"},
	} {
		if slices.Equal(bones("A.md", original), bones("A.md", strings.Replace(original, change[0], change[1], 1))) {
			t.Errorf("%s is not seen", name)
		}
	}
	if translation := strings.NewReplacer("# A", "# あ", "Text", "文", "why", "なぜ", "| y |", "| い |").Replace(original); !slices.Equal(bones("A.md", original), bones("A.md", translation)) {
		t.Errorf("a translation differs: %q, want %q", bones("A.md", translation), bones("A.md", original))
	}
}

func skeleton(t *testing.T, name string) []string { return bones(name, text(t, name)) }

func text(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

var (
	inCode = regexp.MustCompile("`[^`]+`")
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)

	drawn         = regexp.MustCompile(`▶|^ +\d`)
	pathInDrawing = regexp.MustCompile(`(?:^|\s)/[a-z]+`)
	noAnchor      = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// bones are what a translation leaves as it is. A drawing has translated words:
// what counts of it are its paths and its number of lines.
func bones(name, text string) []string {
	var list []string
	for _, line := range blocks(text) {
		command, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented && drawn.MatchString(command):
			list = append(list, "drawing "+strings.Join(pathInDrawing.FindAllString(command, -1), " "))
			continue
		case indented:
			command, _, _ = strings.Cut(command, " #")
			list = append(list, "command "+strings.TrimSpace(command))
			continue
		case strings.HasPrefix(line, "#"):
			list = append(list, "heading "+line[:strings.IndexByte(line, ' ')])
		case strings.HasPrefix(line, "|"):
			list = append(list, fmt.Sprintf("row of %d cells", strings.Count(line, "|")-1))
		}
		for _, code := range inCode.FindAllString(line, -1) {
			list = append(list, "code "+code)
		}
		for _, to := range link.FindAllStringSubmatch(line, -1) {
			list = append(list, "link "+original(name, to[1]))
		}
	}
	return ordered(list)
}

// blocks are the lines of a text; what is one paragraph is one line, wherever it
// was broken.
func blocks(text string) []string {
	var list []string
	open := false // the last one is a paragraph that goes on
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		alone := line == "" || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "|")
		if open && !alone {
			list[len(list)-1] += " " + strings.TrimSpace(line)
		} else {
			list = append(list, line)
		}
		open = !alone
	}
	return list
}

// ordered sorts names and links between two headings, rows or commands: languages
// put the words of a sentence in different orders.
func ordered(list []string) []string {
	from := 0
	for i := range len(list) + 1 {
		if i == len(list) || !strings.HasPrefix(list[i], "code ") && !strings.HasPrefix(list[i], "link ") {
			slices.Sort(list[from:i])
			from = i + 1
		}
	}
	return list
}

// original is where a link leads, seen from the root; a translation is its
// original.
func original(name, to string) string {
	if strings.Contains(to, "://") || strings.HasPrefix(to, "#") {
		return to
	}
	to = filepath.Join(filepath.Dir(name), to)
	for _, set := range translated() {
		if slices.Contains(set[:], to) {
			return set[0]
		}
	}
	return to
}

// TestLinksLeadSomewhere follows the links between documents, and those to files
// and headings.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, name := range documents(t) {
		for _, to := range link.FindAllStringSubmatch(text(t, name), -1) {
			path, anchor, _ := strings.Cut(to[1], "#")
			if strings.Contains(to[1], "://") || strings.HasPrefix(path, "mailto:") {
				continue
			}
			target := name
			if path != "" {
				target = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s leads to %s: %v", name, to[1], err)
			} else if anchor != "" && strings.HasSuffix(target, ".md") && !slices.Contains(anchors(text(t, target)), anchor) {
				t.Errorf("%s leads to %s, which has no such heading", name, to[1])
			}
		}
	}
}

// documents are all that people read.
func documents(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/why/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	if len(list) < 10 {
		t.Fatalf("only %d documents: %v", len(list), list)
	}
	return list
}

// anchors are the names that a heading is found by.
func anchors(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			name := noAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			list = append(list, strings.ReplaceAll(name, " ", "-"))
		}
	}
	return list
}
