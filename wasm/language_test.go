package wasm

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPageSpeaksTheVisitorsLanguage(t *testing.T) {
	t.Parallel()
	const english, french, japanese = "<!doctype html>", "<!doctype html> français", "<!doctype html> 日本語"
	tests := []struct {
		name, query, accept, want string
	}{
		{"nothing is asked for", "", "", english},
		{"French", "", "fr", french},
		{"French of Canada", "", "fr-CA", french},
		{"in capitals", "", "FR", french},
		{"a list", "", "ja,en-US;q=0.9,en;q=0.8", japanese},
		{"the weight counts, not the order", "", "fr;q=0.3, ja;q=0.7", japanese},
		{"among equals the first counts", "", "fr, ja", french},
		{"an unknown one is passed over", "", "de, fr;q=0.5", french},
		{"only unknown ones", "", "de, es;q=0.5", english},
		{"English before French", "", "en-GB, fr;q=0.9", english},
		{"anything", "", "*", english},
		{"refused", "", "fr;q=0", english},
		{"not a weight", "", "fr;q=many, ja;q=0.1", japanese},
		{"no header of a browser", "", strings.Repeat("de,", maxAcceptLanguage) + "fr", english},
		{"the address wins", "?lang=ja", "fr", japanese},
		{"the address asks for English", "?lang=en", "fr", english},
		{"the address asks for what there is not", "?lang=de", "fr", french},
		{"the address asks for a file", "?lang=../fr", "", english},
	}
	p := page(t, built())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, path := range []string{"/", "/index.html"} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+tt.query, nil)
				r.Header.Set("Accept-Language", tt.accept)
				w := httptest.NewRecorder()
				p.ServeHTTP(w, r)
				if w.Code != http.StatusOK || w.Body.String() != tt.want {
					t.Errorf("GET %s%s for %q answers %d %q, want 200 %q", path, tt.query, tt.accept, w.Code, w.Body, tt.want)
				}
			}
		})
	}
}

func TestCheckSpeaksTheVisitorsLanguage(t *testing.T) {
	t.Parallel()
	p := page(t, built())
	for query, want := range map[string]string{"": "<!doctype html> test", "?lang=ja": "<!doctype html> テスト", "?lang=en": "<!doctype html> check"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/check"+query, nil)
		r.Header.Set("Accept-Language", "fr")
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if got := w.Body.String(); w.Code != http.StatusOK || got != want {
			t.Errorf("GET /check%s answers %d %q, want 200 %q", query, w.Code, got, want)
		}
	}
}
