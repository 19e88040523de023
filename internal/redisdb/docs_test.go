package redisdb

import (
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"testing"
)

// manual is docs/redis.md.
func manual(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTheManualHasEachWord: what the log says of Redis is in the table of what to
// do, and what is in the table is said.
func TestTheManualHasEachWord(t *testing.T) {
	t.Parallel()
	_, table, found := strings.Cut(manual(t), "| it says | what to do |\n|---|---|\n")
	if !found {
		t.Fatal("the manual has no table of what is said")
	}
	var rows []string
	for line := range strings.Lines(table) {
		rows = append(rows, strings.Split(line, " | ")[0][len("| "):])
	}
	said := []string{
		errForgot.Error(), errSilent.Error(), errEnds.Error(), errOld.Error(),
		errIsSentinel.Error(), errNoSentinel.Error(), errNoPrimary.Error(), errNoCluster.Error(),
		explain(os.ErrDeadlineExceeded).Error(), explain(x509.UnknownAuthorityError{}).Error(), explain(x509.HostnameError{Certificate: &x509.Certificate{}}).Error(),
	}
	for _, words := range advices() {
		said = append(said, words)
	}
	for _, words := range said {
		if !slices.ContainsFunc(rows, func(row string) bool { return strings.HasPrefix(words, row) }) {
			t.Errorf("the manual does not have %q", words)
		}
	}
	for _, row := range rows {
		if !slices.ContainsFunc(said, func(words string) bool { return strings.HasPrefix(words, row) }) {
			t.Errorf("nobody says %q", row)
		}
	}
}

// TestTheManualHasTheRights and each parameter; and what it shows of addresses can
// be read.
func TestTheManualHasTheRights(t *testing.T) {
	t.Parallel()
	text := manual(t)
	for _, rights := range []string{ACL, SentinelACL} {
		if !strings.Contains(text, "    ACL SETUSER wasmp2pchat on >password "+rights+"\n") {
			t.Errorf("the manual does not have %q", rights)
		}
	}
	for _, name := range parameters() {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the manual does not have the parameter %s", name)
		}
	}
	var addresses int
	for i, code := range strings.Split(text, "`") {
		if i%2 == 1 && strings.Contains(code, "://") && !strings.HasSuffix(code, "://") && !strings.Contains(code, "…") {
			addresses++
			if err := Check(code); err != nil {
				t.Errorf("Check(%q) = %v", code, err)
			}
		}
	}
	if addresses < 6 {
		t.Errorf("the manual has %d addresses", addresses)
	}
}
