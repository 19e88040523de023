package main

import (
	"math"

	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// What the processes of a server tell one another when something has changed by which
// all of them go: a rotated secret signs what every one of them mints, and a service
// manager has SIGHUP reach one of them alone. They say no more than that: each reads
// the same files itself. Whoever was told does not tell others.
const (
	toldSettings = "settings"  // read everything again, as upon SIGHUP
	toldSecrets  = "turn.keys" // read the secrets in STATE_DIR again
)

// tidings are what another process has told of that.
type tidings struct {
	line              *succession.Line // nil: there is no other process
	settings, secrets chan struct{}    // have room for one: what comes while it waits is read with it
}

func hearTidings(line *succession.Line) *tidings {
	t := &tidings{line: line, settings: make(chan struct{}, 1), secrets: make(chan struct{}, 1)}
	for kind, told := range map[string]chan struct{}{toldSettings: t.settings, toldSecrets: t.secrets} {
		line.On(kind, func(string, []byte) {
			select {
			case told <- struct{}{}:
			default: // it will be read
			}
		})
	}
	return t
}

// tell tells all others.
func (t *tidings) tell(kind string) {
	if t != nil {
		t.line.TellAll(kind, nil)
	}
}

// isRetired tells whether a newer process serves.
func (t *tidings) isRetired() bool { return t != nil && t.line.Current() != t.line.Node() }

// limits are those of the relay.
func (t *tidings) limits(cfg *config, relay *turnsvc.Server) turnsvc.Limits {
	limits := relayLimits(cfg)
	if t.isRetired() {
		limits.MonthlyBudget = retiredBudget(relay.Stats().BudgetLimit, limits.MonthlyBudget)
	}
	return limits
}

// retiredBudget is the budget of a retired relay that has one, 0 being none, when
// another one is wanted. It has left its account to the newer process, and tells that
// what it has spent since: it opens none, which would charge the whole month once more,
// and does not close the one that it has.
func retiredBudget(has, wanted int64) int64 {
	switch {
	case has == 0:
		return 0
	case wanted == 0:
		return math.MaxInt64
	}
	return wanted
}

// hearSettings has a value when everything is to be read again.
func (t *tidings) hearSettings() <-chan struct{} {
	if t == nil {
		return nil
	}
	return t.settings
}

// hearSecrets has a value when the secrets in STATE_DIR are to be read again.
func (t *tidings) hearSecrets() <-chan struct{} {
	if t == nil {
		return nil
	}
	return t.secrets
}
