package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// wordsOf reads the words that visitors get.
func wordsOf(t *testing.T, language string) words {
	t.Helper()
	text, err := os.ReadFile("../page/words." + language + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var w words
	if err := json.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// languages are all for which there are words.
func languages(t *testing.T) (tags []string) {
	t.Helper()
	files, err := filepath.Glob("../page/words.*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("Glob() = %q, %v; want at least en, fr and ja", files, err)
	}
	for _, file := range files {
		tags = append(tags, strings.Split(filepath.Base(file), ".")[1])
	}
	return tags
}

// TestWords holds words.en.json and those who use it together: no word is
// missing, none is left over.
func TestWords(t *testing.T) {
	t.Parallel()
	uses := map[string]string{ // what a use looks like, by the files that have it
		"*.go":               `(?:\.of\(|\.with\(|return |\.over\(|\.say\(|word: +)"([a-z_]+)"`,
		"../page/boot.js":    `(?:words\(\)\.|fail\("|say\("[a-z]+", ")([a-z_]+)`,
		"../page/visitor.js": `words\.([a-z_]+)`,
		"../page/index.html": `\.Words\.([a-z_]+)`,
		"../build/*.go":      `words\["([a-z_]+)"\]`,
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
	have := wordsOf(t, "en")
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

// TestWordsInEveryLanguage wants the same keys with the same places in all.
func TestWordsInEveryLanguage(t *testing.T) {
	t.Parallel()
	place := regexp.MustCompile(`\{[a-z]+\}`)
	places := func(text string) []string {
		found := place.FindAllString(text, -1)
		slices.Sort(found)
		return found
	}
	english := wordsOf(t, "en")
	for _, language := range languages(t) {
		w := wordsOf(t, language)
		for key, text := range english {
			if strings.TrimSpace(w[key]) == "" {
				t.Errorf("%s has no %q", language, key)
			}
			if got, want := places(w[key]), places(text); !slices.Equal(got, want) {
				t.Errorf("%s: %q has the places %q, want %q", language, key, got, want)
			}
		}
		for key := range w {
			if english[key] == "" {
				t.Errorf("%s has %q, which English has not", language, key)
			}
		}
		if dir := w["dir"]; dir != "ltr" && dir != "rtl" {
			t.Errorf("%s: dir is %q", language, dir)
		}
	}
}

// TestWordsArePlain keeps the terms of the trade out of the page; they belong
// to /check.
func TestWordsArePlain(t *testing.T) {
	t.Parallel()
	trade := regexp.MustCompile(`(?i)\b(peers?|ice|nat|stun|turn|srflx|websocket|sdp|datachannel)\b`)
	for _, language := range languages(t) {
		for key, text := range wordsOf(t, language) {
			if found := trade.FindString(text); found != "" {
				t.Errorf("%s: %q says %q", language, key, found)
			}
		}
	}
}

// TestFrenchTypography wants a narrow no-break space (U+202F) before what is
// higher than a comma, and inside quotation marks.
func TestFrenchTypography(t *testing.T) {
	t.Parallel()
	wrong := regexp.MustCompile(`[^\x{202f}][;:!?»]|«[^\x{202f}]|'|\.\.\.`)
	for key, text := range wordsOf(t, "fr") {
		if found := wrong.FindString(text); found != "" {
			t.Errorf("%q: %q is badly set", key, found)
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

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                   "0 s",
		time.Millisecond:    "1 s",
		time.Minute:         "60 s",
		91 * time.Second:    "2 min",
		time.Hour:           "60 min",
		24*time.Hour - 1:    "24 h",
		30 * 24 * time.Hour: "720 h",
		90*time.Minute + 1:  "2 h",
	} {
		if got := wordsOf(t, "en").span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}
