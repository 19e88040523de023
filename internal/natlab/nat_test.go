package natlab

import (
	"net/netip"
	"strings"
	"testing"
)

func TestEveryKindHasRules(t *testing.T) {
	t.Parallel()
	client, outside := netip.MustParseAddr("10.1.0.2"), netip.MustParseAddr("51.51.51.101")
	seen := map[string]NAT{}
	for _, nat := range Kinds() {
		rules, err := nat.ruleset(client, outside)
		if err != nil {
			t.Errorf("NAT(%q).ruleset() = %v", nat, err)
		}
		for _, want := range []string{"flush ruleset\n", "define client = 10.1.0.2\n", "define outside = 51.51.51.101\n", "ct state new drop\n"} {
			if !strings.Contains(rules, want) {
				t.Errorf("NAT(%q).ruleset() lacks %q:\n%s", nat, want, rules)
			}
		}
		if twin, ok := seen[rules]; ok {
			t.Errorf("%q and %q have the same rules", nat, twin)
		}
		seen[rules] = nat
	}
}

func TestUnknownKindIsRefused(t *testing.T) {
	t.Parallel()
	const want = `unknown NAT "carrier", want one of ["none" "fullcone" "restricted" "prcone" "symmetric" "udpblocked" "tcp443" "tcp80"]`
	_, err := NAT("carrier").ruleset(netip.Addr{}, netip.Addr{})
	if err == nil || err.Error() != want {
		t.Errorf(`NAT("carrier").ruleset() = %v, want %s`, err, want)
	}
}
