package match_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/match/pooltest"
)

func newMemory(_ *testing.T, cfg match.PoolConfig) match.Pool { return match.NewMemory(cfg) }

func TestMemory(t *testing.T) {
	t.Parallel()
	for _, c := range pooltest.Checks() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { c.Run(t, newMemory, 2*time.Second) })
		})
	}
}

func TestMemoryInRandomStories(t *testing.T) {
	t.Parallel()
	pooltest.Story(t, newMemory)
}
