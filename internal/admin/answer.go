package admin

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
)

// The bounds of a request.
const (
	defaultPage  = 100 // items
	maxPage      = 1000
	maxBodyBytes = 4 << 10
)

// ProblemError is an answer that is a fault (RFC 9457).
type ProblemError struct {
	Status int    `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail"` // for people: what is wrong, and what to do
}

func (p *ProblemError) Error() string { return p.Detail }

// Refuse is an error that a function of Config returns so that it is answered with
// a status.
func Refuse(status int, detail string) error { return &ProblemError{Status: status, Detail: detail} }

// Fail answers with a fault.
func Fail(w http.ResponseWriter, status int, detail string) {
	reply(w, "application/problem+json", status, ProblemError{status, http.StatusText(status), detail})
}

// failWith answers with an error of a function of Config.
func failWith(w http.ResponseWriter, err error) {
	if p, ok := errors.AsType[*ProblemError](err); ok {
		Fail(w, p.Status, p.Detail)
		return
	}
	Fail(w, http.StatusInternalServerError, err.Error())
}

// Reply answers with JSON.
func Reply(w http.ResponseWriter, status int, v any) { reply(w, "application/json", status, v) }

func reply(w http.ResponseWriter, kind string, status int, v any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}

// page is the part of a list that was asked for.
type page struct {
	limit  int
	cursor string // empty: from the start
	full   bool   // addresses are wanted whole
}

// readPage reads what a list may be asked; false: it was answered.
func readPage(w http.ResponseWriter, r *http.Request) (p page, ok bool) {
	query := r.URL.Query()
	p = page{limit: defaultPage, cursor: query.Get("cursor")}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			Fail(w, http.StatusBadRequest, "limit: want 1 to "+strconv.Itoa(maxPage))
			return p, false
		}
		p.limit = n
	}
	switch query.Get("addresses") {
	case "", "short":
	case "full":
		p.full = true
	default:
		Fail(w, http.StatusBadRequest, "addresses: want short or full")
		return p, false
	}
	return p, true
}

// replyPage answers with a part of a list. Cursor is that of its last item; if there
// are more, a Link says where (RFC 8288).
func replyPage[T any](w http.ResponseWriter, r *http.Request, list []T, more bool, cursor func(T) string) {
	if more && len(list) > 0 {
		query := r.URL.Query()
		query.Set("cursor", cursor(list[len(list)-1]))
		next := url.URL{Path: r.URL.Path, RawQuery: query.Encode()}
		w.Header().Set("Link", "<"+next.String()+`>; rel="next"`)
	}
	if list == nil {
		list = []T{}
	}
	Reply(w, http.StatusOK, list)
}

// readBody reads the JSON of a request; false: it was answered. A form, which a page
// of any site can send without asking first, is none.
func readBody(w http.ResponseWriter, r *http.Request, v any) (ok bool) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		Fail(w, http.StatusUnsupportedMediaType, "want Content-Type: application/json")
		return false
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	body.DisallowUnknownFields()
	if err := body.Decode(v); err != nil {
		Fail(w, http.StatusBadRequest, "the body is not what is wanted: "+err.Error())
		return false
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		Fail(w, http.StatusBadRequest, "want one JSON object and nothing after it")
		return false
	}
	return true
}

// What is shown of an address that nobody has asked for in full: the network, not
// the household.
const (
	shownBits4 = 24
	shownBits6 = 48
)

// show writes an address, or its network; nothing for one that is not valid.
func (p page) show(addr netip.Addr) string {
	addr = addr.Unmap()
	bits := shownBits6
	switch {
	case !addr.IsValid():
		return ""
	case p.full:
		return addr.String()
	case addr.Is4():
		bits = shownBits4
	}
	return netip.PrefixFrom(addr.WithZone(""), bits).Masked().String()
}

// showPort is show with the port, of an address that is whole.
func (p page) showPort(addr netip.AddrPort) string {
	if p.full {
		return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()).String()
	}
	return p.show(addr.Addr())
}
