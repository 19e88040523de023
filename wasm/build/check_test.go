package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestCheckPage holds check.html to what the content security policy allows, and
// together with its scripts and its words.
func TestCheckPage(t *testing.T) {
	t.Parallel()
	page, err := assemble(os.DirFS("../page"), []byte("client"), []byte("runtime"), "v1")
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(page, func(f pageFile) bool { return f.name == "check.html" })
	html := string(page[at].body)
	for what, pattern := range map[string]string{
		"a script inside":   `(?is)<script[^>]*>[^<]`,
		"a style inside":    `(?i)<style|\sstyle=`,
		"a handler inside":  `(?i)\son[a-z]+\s*=`,
		"a foreign address": `(?i)(https?:)?//[a-z]`,
	} {
		if found := regexp.MustCompile(pattern).FindString(html); found != "" {
			t.Errorf("check.html has %s: %q", what, found)
		}
	}
	for _, want := range []string{`<html lang="en" dir="ltr">`, `<a href="/?lang=en">`, `<p id="verdict" class="verdict" role="status">`} {
		if !strings.Contains(html, want) {
			t.Errorf("check.html lacks %s", want)
		}
	}
	script := source(t, "check.js")
	for _, m := range regexp.MustCompile(`byId\("([a-z-]+)"\)`).FindAllStringSubmatch(script, -1) {
		if n := strings.Count(html, ` id="`+m[1]+`"`); n != 1 {
			t.Errorf("check.js looks for #%s, which check.html has %d times", m[1], n)
		}
	}
}

// TestCheckWords holds the words of the check and those who use them together,
// and wants the same keys with the same places in all languages.
func TestCheckWords(t *testing.T) {
	t.Parallel()
	languages, err := readLanguages(os.DirFS("../page"))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"stun": true, "turn": true} // the kinds of URLs
	for file, pattern := range map[string]string{
		"check.html": `\.Check\.([a-z_]+)`,
		"check.js":   `say\("([a-z_]+)"`,
	} {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(source(t, file), -1) {
			used[m[1]] = true
		}
	}
	for _, state := range []string{"running", "ok", "slow", "limited", "no", "skipped"} {
		used["state_"+state] = true
	}
	for _, nat := range []string{"open", "keeps", "changes", "unmeasured", "blocked"} {
		used["nat_"+nat] = true
	}
	for _, c := range networks() {
		used["verdict_"+c.want] = true
	}
	english := languages[0].check
	if got, want := slices.Sorted(maps.Keys(english)), slices.Sorted(maps.Keys(used)); !slices.Equal(got, want) {
		t.Errorf("check.en.json has %q, want what is used: %q", got, want)
	}
	places := func(text string) []string {
		found := regexp.MustCompile(`\{[a-z]+\}`).FindAllString(text, -1)
		slices.Sort(found)
		return found
	}
	for _, l := range languages {
		if got, want := slices.Sorted(maps.Keys(l.check)), slices.Sorted(maps.Keys(english)); !slices.Equal(got, want) {
			t.Errorf("check.%s.json has the keys %q, English has %q", l.Tag, got, want)
		}
		for key, text := range l.check {
			if text == "" || !slices.Equal(places(text), places(english[key])) {
				t.Errorf("check.%s.json: %s is %q, English has %q", l.Tag, key, text, english[key])
			}
		}
	}
	wrong := regexp.MustCompile(`[^\x{202f}][;:!?»]|«[^\x{202f}]|'|\.\.\.`) // as in the other words
	for _, l := range languages {
		for key, text := range l.check {
			if found := wrong.FindString(text); l.Tag == "fr" && found != "" {
				t.Errorf("check.fr.json: %s is badly set: %q", key, text)
			}
		}
	}
}

// source is a file of the page.
func source(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../page/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
