//go:build browser

package e2e

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// witnessJS runs in the page before its own scripts.
//
//go:embed testdata/witness.js
var witnessJS string

// witness remembers what the browser reports of one tab.
type witness struct {
	mu      sync.Mutex // guards the fields below
	console []string
	lobbies map[network.RequestID]bool // the sockets to /matchmaking
	matches []wire.MatchMessage
}

func newWitness() *witness { return &witness{lobbies: map[network.RequestID]bool{}} }

// see takes every event of the tab; it must be quick.
func (w *witness) see(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch ev := event.(type) {
	case *network.EventWebSocketCreated:
		if u, err := url.Parse(ev.URL); err == nil && u.Path == "/matchmaking" {
			w.lobbies[ev.RequestID] = true
		}
	case *network.EventWebSocketFrameReceived:
		var m wire.MatchMessage
		if w.lobbies[ev.RequestID] && json.Unmarshal(ev.Response.PayloadData, &m) == nil && m.Type == wire.MatchFound {
			w.matches = append(w.matches, m)
		}
	case *runtime.EventConsoleAPICalled:
		var words []string
		for _, arg := range ev.Args {
			words = append(words, strings.Trim(string(arg.Value), `"`)+arg.Description)
		}
		w.console = append(w.console, fmt.Sprint(ev.Type, ": ", strings.Join(words, " ")))
	case *runtime.EventExceptionThrown:
		w.console = append(w.console, (&chromedp.ExceptionError{ExceptionDetails: ev.ExceptionDetails}).Error())
	case *log.EventEntryAdded:
		w.console = append(w.console, fmt.Sprint(ev.Entry.Level, ": ", ev.Entry.Text, " ", ev.Entry.URL))
	}
}

// lastMatch is the newest MATCH that the tab was sent.
func (w *witness) lastMatch() (m wire.MatchMessage, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.matches) == 0 {
		return m, false
	}
	return w.matches[len(w.matches)-1], true
}

func (w *witness) consoleText() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.console, "\n")
}

// connection is what the browser says of the newest RTCPeerConnection.
type connection struct {
	Policy     string           `json:"policy"`     // iceTransportPolicy
	ICEServers []wire.ICEServer `json:"iceServers"` // that it is configured with
	Local      candidate        `json:"local"`      // of the pair in use
	Remote     candidate        `json:"remote"`
	Known      []candidate      `json:"known"` // all remote candidates
}

// candidate is an RTCIceCandidateStats, as far as it matters here.
type candidate struct {
	Type          string `json:"type"` // host, srflx, prflx or relay
	Address       string `json:"address"`
	RelayProtocol string `json:"relayProtocol"` // udp, tcp or tls, of a local relay candidate
}
