package main

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestStyleHasNoLeftOrRight keeps the page fit for languages that are written
// from right to left: what is at the start of a line is there in every language.
func TestStyleHasNoLeftOrRight(t *testing.T) {
	t.Parallel()
	css := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(style(t), "")
	physical := regexp.MustCompile(`(?:^|[;{\s-])(?:left|right)(?:-[a-z-]+)?\s*:|:\s*(?:left|right)\s*[;}]`)
	for _, found := range physical.FindAllString(css, -1) {
		t.Errorf("style.css says %q: say inline-start or inline-end", strings.TrimSpace(found))
	}
	corners := regexp.MustCompile(`(border-radius|margin|padding|inset):([^;}]*)`)
	for _, rule := range corners.FindAllStringSubmatch(css, -1) {
		flat := regexp.MustCompile(`\([^()]*(\([^()]*\)[^()]*)*\)`).ReplaceAllString(rule[2], "()")
		if sides := strings.Fields(flat); len(sides) == 4 && (rule[1] == "border-radius" || sides[1] != sides[3]) {
			t.Errorf("style.css says %q: a side of it is left or right", rule[0])
		}
	}
}

// TestContrast holds the colours to WCAG 2.2, level AA, by day and by night:
// 4.5:1 for text (§1.4.3), 3:1 for the edges of controls and for what says
// something without words (§1.4.11).
func TestContrast(t *testing.T) {
	t.Parallel()
	const text, control = 4.5, 3.0
	tests := []struct {
		over, under string
		least       float64
	}{
		{"ink", "card", text},
		{"ink", "page", text},
		{"ink", "field", text},
		{"ink", "theirs", text},
		{"ink", "calm", text},
		{"dim", "card", text},
		{"dim", "page", text},
		{"dim", "field", text},
		{"dim", "theirs", text},
		{"link", "card", text},
		{"link", "page", text},
		{"on-accent", "accent", text},
		{"on-accent", "accent-over", text},
		{"bad", "card", text},
		{"control", "card", control},
		{"control", "field", control},
		{"control", "page", control},
		{"accent", "card", control},
		{"link", "field", control},
		{"link", "theirs", control},
		{"good", "card", control},
		{"busy", "card", control},
		{"bad", "card", control},
	}
	colours := tokens(t)
	for _, tt := range tests {
		for i, scheme := range []string{"light", "dark"} {
			got := contrast(colours[tt.over][i], colours[tt.under][i])
			if !(got >= tt.least) {
				t.Errorf("--%s on --%s is %.2f:1 in the %s scheme, want %v:1", tt.over, tt.under, got, scheme, tt.least)
			}
		}
	}
}

func style(t *testing.T) string {
	t.Helper()
	css, err := os.ReadFile("../page/style.css")
	if err != nil {
		t.Fatal(err)
	}
	return string(css)
}

// tokens reads the colours of the style sheet: luminances, light and dark.
func tokens(t *testing.T) map[string][2]float64 {
	t.Helper()
	found := map[string][2]float64{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): light-dark\(#([0-9a-f]{6}), #([0-9a-f]{6})\)`).FindAllStringSubmatch(style(t), -1) {
		found[m[1]] = [2]float64{luminance(t, m[2]), luminance(t, m[3])}
	}
	if len(found) == 0 {
		t.Fatal("style.css has no colours")
	}
	return found
}

// luminance is the relative luminance of a colour, as WCAG defines it.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	var sum float64
	for i, share := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += share * c
	}
	return sum
}

func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }
