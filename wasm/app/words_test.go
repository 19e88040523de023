package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// english reads the words that visitors get.
func english(t *testing.T) words {
	t.Helper()
	text, err := os.ReadFile("../page/words.en.json")
	if err != nil {
		t.Fatal(err)
	}
	var w words
	if err := json.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestWords holds words.en.json and those who use it together: no word is
// missing, none is left over.
func TestWords(t *testing.T) {
	t.Parallel()
	uses := map[string]string{ // what a use looks like, by the files that have it
		"*.go":               `(?:\.of\(|\.with\(|return |\.over\()"([a-z_]+)"`,
		"../page/boot.js":    `(?:words\.|fail\(")([a-z_]+)`,
		"../page/index.html": `\.Words\.([a-z_]+)`,
	}
	used := map[string]bool{}
	for pattern, use := range uses {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("Glob(%q) = %v, %v; want files", pattern, files, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range regexp.MustCompile(use).FindAllSubmatch(source, -1) {
				used[string(match[1])] = true
			}
		}
	}
	have := english(t)
	for key := range used {
		if have[key] == "" {
			t.Errorf("%q is used, but words.en.json does not have it", key)
		}
	}
	for key := range have {
		if !used[key] {
			t.Errorf("words.en.json has %q, which nobody uses", key)
		}
	}
}

func TestWith(t *testing.T) {
	t.Parallel()
	w := words{"online": "{n} online"}
	if got, want := w.with("online", "n", 12), "12 online"; got != want {
		t.Errorf(`with("online", "n", 12) = %q, want %q`, got, want)
	}
	if got, want := w.of("nowhere"), "nowhere"; got != want {
		t.Errorf(`of("nowhere") = %q, want %q`, got, want)
	}
}
