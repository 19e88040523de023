package pooltest

import (
	"slices"
	"testing"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// Check holds a pool to one promise.
type Check struct {
	Name string // a sentence
	Slow bool   // takes tens of seconds of the pool's clock

	cfg func(unit time.Duration) match.PoolConfig
	run func(w *world)
}

// Run makes a pool and runs the check on whatever clock it is called. The
// settings that a check chooses are a few units long; a unit is a second at
// least, that Slack is little beside it.
func (c Check) Run(t *testing.T, newPool Maker, unit time.Duration) {
	t.Helper()
	c.play(t, newPool, unit, Slack, 0)
}

// RunPatiently is Run on the real clock of a machine that may be busy: a quarter of
// a unit is the slack, and what is to happen may happen so much later than that, as
// far as nothing else depends on it.
func (c Check) RunPatiently(t *testing.T, newPool Maker, unit, patience time.Duration) {
	t.Helper()
	c.play(t, newPool, unit, unit/4, patience)
}

func (c Check) play(t *testing.T, newPool Maker, unit, slack, patience time.Duration) {
	t.Helper()
	var cfg match.PoolConfig
	if c.cfg != nil {
		cfg = c.cfg(unit)
	}
	w := open(t, newPool, unit, cfg)
	defer w.stop()
	w.slack, w.patience = slack, patience
	c.run(w)
}

// Checks are all checks.
func Checks() []Check {
	return slices.Concat(orderChecks(), ruleChecks(), ghostChecks(), crowdChecks(), endChecks(), changeChecks())
}

// plain is the settings of a pool in which nobody is avoided and addresses do
// not count.
func plain(time.Duration) match.PoolConfig { return match.PoolConfig{} }
