package address

import (
	"slices"
	"testing"
)

// disagreement is what is said against what clients are told.
type disagreement struct {
	view view
	want []string
}

func checkDisagreements(t *testing.T, disagreements map[string]disagreement) {
	t.Helper()
	for name, c := range disagreements {
		var got []string
		for _, one := range c.view.contradictions(c.view.decide()) {
			got = append(got, one.Text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}

func TestAWrongSettingIsReportedWithTheRightOne(t *testing.T) {
	t.Parallel()
	checkDisagreements(t, map[string]disagreement{
		"a wrong setting": {
			see("203.0.113.9", fromAWS("198.51.100.7"), fromSTUN("198.51.100.7"), fromInterfaces("10.0.0.5")),
			[]string{"PUBLIC_IPS says 203.0.113.9, but metadata (aws) and stun stun.example.org:3478 say 198.51.100.7: set WASMP2PCHAT_PUBLIC_IPS=198.51.100.7 or remove it"},
		},
		"a wrong setting, and sources that say different things": {
			see("203.0.113.9", fromInterfaces("198.51.100.3"), fromAWS("198.51.100.7")),
			[]string{"PUBLIC_IPS says 203.0.113.9, but interfaces say 198.51.100.3, metadata (aws) says 198.51.100.7: set WASMP2PCHAT_PUBLIC_IPS=198.51.100.7 or remove it"},
		},
		"the inner address behind a NAT": {
			see("10.0.0.5", fromAWS("198.51.100.7"), fromInterfaces("10.0.0.5")),
			[]string{"PUBLIC_IPS says 10.0.0.5, but metadata (aws) says 198.51.100.7: set WASMP2PCHAT_PUBLIC_IPS=198.51.100.7 or remove it"},
		},
		"a private setting on a router":        {see("192.168.1.1", fromInterfaces("192.168.1.1", "203.0.113.9")), nil},
		"a setting that the cloud confirms":    {see("203.0.113.9", fromAWS("203.0.113.9"), fromInterfaces("198.51.100.3")), nil},
		"a setting nobody says anything about": {see("203.0.113.9", fromInterfaces("10.0.0.5")), nil},
		"a setting for one family":             {see("203.0.113.9", fromInterfaces("203.0.113.9", "2001:db8::9")), nil},
		"a wrong setting of one family":        {see("203.0.113.9,2001:db8::1", fromInterfaces("203.0.113.9", "2001:db8::9")), []string{"PUBLIC_IPS says 2001:db8::1, but interfaces say 2001:db8::9: set WASMP2PCHAT_PUBLIC_IPS=2001:db8::9 or remove it"}},
	})
}

func TestContradictionsSayWhoSaysWhatAndWhatToDo(t *testing.T) {
	t.Parallel()
	visited := see("", fromInterfaces("203.0.113.9"))
	visited.visited = []visit{{addr("203.0.113.9"), 3}, {addr("192.168.1.5"), 3}, {addr("203.0.113.77"), 3}}
	insideOnly := see("", fromInterfaces("172.17.0.2"))
	insideOnly.visited = []visit{{addr("192.168.1.5"), 3}}
	checkDisagreements(t, map[string]disagreement{
		"all agree":                               {see("", fromAWS("198.51.100.7"), fromSTUN("198.51.100.7"), fromInterfaces("10.0.0.5"), fromDNS("198.51.100.7")), nil},
		"STUN sees another address of ours":       {see("", fromSTUN("203.0.113.8"), fromInterfaces("203.0.113.9", "203.0.113.8"), fromDNS("203.0.113.9")), nil},
		"the name has an address that comes in":   {see("", fromAWS("203.0.113.9", "203.0.113.99"), fromInterfaces("203.0.113.9"), fromDNS("203.0.113.99")), nil},
		"the name has this address among several": {see("", fromInterfaces("203.0.113.9"), fromDNS("203.0.113.1", "203.0.113.9")), nil},
		"nothing is known but the name":           {see("", fromInterfaces("192.168.1.5"), fromDNS("203.0.113.9")), nil},
		"the cloud and STUN disagree": {
			see("", fromAWS("198.51.100.7"), fromSTUN("198.51.100.8"), fromInterfaces("10.0.0.5")),
			[]string{"metadata (aws) says 198.51.100.7, but stun stun.example.org:3478 says 198.51.100.8: set WASMP2PCHAT_PUBLIC_IPS to the one that visitors reach"},
		},
		"the interfaces disagree with the cloud": {
			see("", fromAWS("198.51.100.7"), fromInterfaces("203.0.113.9")),
			[]string{"metadata (aws) says 198.51.100.7, but interfaces say 203.0.113.9: set WASMP2PCHAT_PUBLIC_IPS to the one that visitors reach"},
		},
		"the name leads elsewhere": {
			see("", fromInterfaces("203.0.113.9"), fromDNS("198.51.100.1")),
			[]string{"DNS of chat.example.org says A 198.51.100.1, this machine is 203.0.113.9 (interfaces): set the A record to 203.0.113.9, or name the proxy in WASMP2PCHAT_TRUSTED_PROXIES"},
		},
		"the name leads elsewhere over IPv6": {
			see("", fromInterfaces("203.0.113.9", "2001:db8::9"), fromDNS("203.0.113.9", "2001:db8::1")),
			[]string{"DNS of chat.example.org says AAAA 2001:db8::1, this machine is 2001:db8::9 (interfaces): set the AAAA record to 2001:db8::9, or name the proxy in WASMP2PCHAT_TRUSTED_PROXIES"},
		},
		"the name has a family that the machine lacks": {
			see("", fromInterfaces("203.0.113.9"), fromDNS("203.0.113.9", "2001:db8::1")),
			[]string{"DNS of chat.example.org says AAAA 2001:db8::1, but this machine has no IPv6 address that visitors reach: remove the AAAA record, or name the proxy in WASMP2PCHAT_TRUSTED_PROXIES"},
		},
		"visitors come another way": {
			visited,
			[]string{"visitors of 3 networks reached this server at 203.0.113.77, but it says that it is 203.0.113.9: if that is true, add it to WASMP2PCHAT_PUBLIC_IPS"},
		},
		"visitors from inside come another way": {
			insideOnly,
			[]string{"visitors of 3 networks reached this server at 192.168.1.5, but it says that it is 172.17.0.2: if that is true, add it to WASMP2PCHAT_PUBLIC_IPS"},
		},
	})
}

// TestVisitorsChangeNothing: what they say is not in the decision.
func TestVisitorsChangeNothing(t *testing.T) {
	t.Parallel()
	v := see("", fromInterfaces("192.168.1.5"))
	v.visited = []visit{{addr("203.0.113.77"), 3}}
	if got := v.decide().List(); !slices.Equal(got, addrs("192.168.1.5")) {
		t.Errorf("decide() = %v, want 192.168.1.5", got)
	}
	if got := v.contradictions(v.decide()); len(got) != 1 || got[0].About != "visitors" || got[0].Family != IPv4 {
		t.Errorf("contradictions() = %v, want one about visitors", got)
	}
}
