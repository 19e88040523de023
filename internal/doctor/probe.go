package doctor

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/stun/v3"

	"github.com/wasmp2pchat/wasmp2pchat/internal/witness"
)

// watching is a server that watches for our requests.
type watching struct {
	welcome witness.Welcome
	prefix  [witness.PrefixBytes]byte
	last    atomic.Uint32 // number that was given to a request

	seen  []witness.Sighting // once it was asked
	asked bool
}

// errNoWitness is what servers of before answer.
var errNoWitness = errors.New("the server does not watch: it is of an older version, or a proxy does not pass /doctor/ on")

// watch asks the server to watch.
func (x *exam) watch(ctx context.Context, s *site) (*watching, error) {
	answer, err := x.call(ctx, s, http.MethodPost, "/doctor/probes", http.StatusCreated)
	if err != nil {
		return nil, err
	}
	w := new(watching)
	if err := json.Unmarshal(answer, &w.welcome); err != nil {
		return nil, errNoWitness
	}
	prefix, err := hex.DecodeString(w.welcome.Prefix)
	if err != nil || len(prefix) != len(w.prefix) {
		return nil, errNoWitness
	}
	w.prefix = [witness.PrefixBytes]byte(prefix)
	return w, nil
}

// recall asks what was seen.
func (x *exam) recall(ctx context.Context, s *site, w *watching) error {
	if _, err := hex.DecodeString(w.welcome.ID); err != nil {
		return errNoWitness
	}
	answer, err := x.call(ctx, s, http.MethodGet, "/doctor/probes/"+w.welcome.ID, http.StatusOK)
	if err != nil {
		return err
	}
	var account witness.Account
	if err := json.Unmarshal(answer, &account); err != nil {
		return errNoWitness
	}
	w.seen, w.asked = account.Seen, true
	return nil
}

// call asks the server for JSON.
func (x *exam) call(ctx context.Context, s *site, method, path string, want int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, x.target.base+path, bytes.NewReader(nil))
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusMethodNotAllowed:
		return nil, errNoWitness
	case resp.StatusCode != want:
		return nil, fmt.Errorf("answered %d %s", resp.StatusCode, firstLine(body))
	}
	return body, nil
}

// track are the requests that went one way.
type track struct {
	watching *watching // nil: nobody watches

	mu      sync.Mutex // guards numbers
	numbers []uint32
}

// transaction names the next request. It is Config.Transaction of a client.
func (t *track) transaction() (id [stun.TransactionIDSize]byte) {
	if t.watching == nil {
		return stun.NewTransactionID()
	}
	n := t.watching.last.Add(1)
	copy(id[:], t.watching.prefix[:])
	binary.BigEndian.PutUint32(id[witness.PrefixBytes:], n)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.numbers = append(t.numbers, n)
	return id
}

// view is what the server saw of the requests that went one way.
type view struct {
	watched  bool // it did look
	arrived  bool
	answered bool
	from     string // where they came from
}

func (t *track) view() view {
	if t.watching == nil || !t.watching.asked {
		return view{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	v := view{watched: true}
	for _, s := range t.watching.seen {
		if slices.Contains(t.numbers, s.Number) {
			v.arrived, v.answered, v.from = true, v.answered || s.Answered, s.From.String()
		}
	}
	return v
}
