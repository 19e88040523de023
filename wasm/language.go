package wasm

import (
	"net/http"
	"strings"
)

// maxAcceptLanguage is how much of an Accept-Language header is read; browsers
// send a tenth of it.
const maxAcceptLanguage = 512

// pageOf is where a page is found and its language, by the name of its file: "/"
// and "fr" of index.fr.html, "/check" and nothing of check.html, which is in the
// main language. Other files are not spoken.
func pageOf(name string) (at, language string, spoken bool) {
	stem, isHTML := strings.CutSuffix(name, ".html")
	stem, language, _ = strings.Cut(stem, ".")
	switch {
	case isHTML && stem == "index":
		return "/", language, true
	case isHTML && stem == "check":
		return "/check", language, true
	}
	return "", "", false
}

// language picks the page for a visitor: the one that ?lang asks for, else the
// one that the browser likes most, else the main one.
func (p *Page) language(r *http.Request) string {
	if asked, known := p.speaks(r.URL.Query().Get("lang")); known {
		return asked
	}
	accept := strings.Join(r.Header.Values("Accept-Language"), ",")
	accept = accept[:min(len(accept), maxAcceptLanguage)]
	best, most := "", 0.0
	for item := range strings.SplitSeq(accept, ",") {
		tag, parameters, _ := strings.Cut(item, ";")
		language, known := p.speaks(strings.TrimSpace(tag))
		if q := weight(parameters); known && q > most {
			best, most = language, q
		}
	}
	return best
}

// speaks finds the pages for a language tag by its primary subtag, as the
// lookup of RFC 4647 §3.4 does in the end: "fr-CA" is served with "fr".
func (p *Page) speaks(tag string) (language string, known bool) {
	primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
	if primary == mainLanguage {
		return "", true
	}
	_, known = p.pages["/"][primary]
	return primary, known && primary != ""
}

// mainLanguage is that of index.html.
const mainLanguage = "en"
