package turnsvc

import (
	"slices"
	"strconv"
	"testing"
	"time"
)

// TestRetiredSecretsAreBounded takes many away, one after the other: the last few
// are kept, and one that comes back is no longer retired.
func TestRetiredSecretsAreBounded(t *testing.T) {
	t.Parallel()
	var k keyring
	start := time.Unix(1_800_000_000, 0)
	for i := range 20 {
		k.set([]string{strconv.Itoa(i)}, start.Add(time.Duration(i)*time.Minute))
	}
	if got, want := k.now.Load().list, []string{"19", "18", "17", "16", "15"}; !slices.Equal(got, want) || k.now.Load().live != 1 {
		t.Errorf("secrets = %q, want %q, of which one is live", got, want)
	}
	k.set([]string{"17"}, start.Add(20*time.Minute))
	if got, want := k.now.Load().list, []string{"17", "19", "18", "16", "15"}; !slices.Equal(got, want) {
		t.Errorf("secrets = %q, want %q", got, want)
	}
	k.set([]string{"17"}, start.Add(maxOverstay+19*time.Minute))
	if got, want := k.now.Load().list, []string{"17", "19"}; !slices.Equal(got, want) {
		t.Errorf("a day later secrets = %q, want %q", got, want)
	}
}
