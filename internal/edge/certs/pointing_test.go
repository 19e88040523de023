package certs

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// answers is a resolver with one answer.
type answers struct {
	addrs []netip.Addr
	err   error
}

func (a answers) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return a.addrs, a.err
}

func TestWhereADomainPoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, found, ours string
		err               error
		want              string // of the error; empty: none
	}{
		{name: "here", found: "203.0.113.7", ours: "203.0.113.7"},
		{name: "here, written in another way", found: "::ffff:203.0.113.7", ours: "203.0.113.7"},
		{name: "here in both families", found: "203.0.113.7 2001:db8::1", ours: "203.0.113.7 2001:db8::1"},
		{name: "here in one of two", found: "203.0.113.7", ours: "203.0.113.7 2001:db8::1"},
		{name: "here, and in a family of which we know nothing", found: "203.0.113.7 2001:db8::9", ours: "203.0.113.7"},
		{name: "somewhere, and we know nothing", found: "198.51.100.9"},
		{
			name: "elsewhere", found: "198.51.100.9", ours: "203.0.113.7 2001:db8::1",
			want: "points to 198.51.100.9, this server has 203.0.113.7, 2001:db8::1: set its A record to 203.0.113.7; set its AAAA record to 2001:db8::1",
		},
		{
			name: "here and elsewhere", found: "198.51.100.9 203.0.113.7", ours: "203.0.113.7",
			want: "remove its A record 198.51.100.9",
		},
		{
			name: "elsewhere in IPv6, which is asked first", found: "203.0.113.7 2001:db8::9", ours: "203.0.113.7 2001:db8::1",
			want: "set its AAAA record to 2001:db8::1",
		},
		{
			name: "only in a family of which we know nothing", found: "2001:db8::9", ours: "203.0.113.7",
			want: "set its A record to 203.0.113.7; remove its AAAA record 2001:db8::9",
		},
		{
			name: "nowhere", ours: "203.0.113.7", err: &net.DNSError{IsNotFound: true},
			want: "has no address record, this server has 203.0.113.7: set its A record to 203.0.113.7",
		},
		{name: "a name server that fails", ours: "203.0.113.7", err: errors.New("SERVFAIL"), want: "SERVFAIL"},
	} {
		err := pointsHere(t.Context(), answers{addresses(c.found), c.err}, ourName, addresses(c.ours))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func addresses(list string) (addrs []netip.Addr) {
	for text := range strings.FieldsSeq(list) {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	return addrs
}
