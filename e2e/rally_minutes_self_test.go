//go:build browser

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
)

// TestTheMinutesSeeFaults gives the oracle what talkers would tell of a server that
// cuts, loses, doubles or mixes up.
func TestTheMinutesSeeFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		news []line.News
		want string // of the complaints; empty: there is none
	}{
		{"all is well", []line.News{said("a", 1), heard("b", "a", 1), said("b", 1), heard("a", "b", 1)}, ""},
		{"who talks is heard before he tells it", []line.News{heard("b", "a", 1), said("a", 1)}, ""},
		{"a message is lost", []line.News{said("a", 1)}, "b (kind): heard 0 of the 1 messages of a"},
		{"one in the middle is lost", []line.News{said("a", 2), heard("b", "a", 2)}, "b (kind): heard message 2 before message 1"},
		{"one is doubled", []line.News{said("a", 1), heard("b", "a", 1), heard("b", "a", 1)}, "b (kind): heard message 1 again, or late: 2 would be next"},
		{"one is another's", []line.News{heard("b", "c", 1)}, "b (kind): heard c 1, but talks with a"},
		{"a chat is cut", []line.News{{ID: "a", What: line.Lost}}, "a (kind): the chat was cut: lost"},
		{"two are out of order", []line.News{said("a", 2), heard("b", "a", 2), heard("b", "a", 1)}, `b (kind): heard message 1 again, or late: 3 would be next
b (kind): heard message 2 before message 1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMinutes()
			m.expect("kind", "a", "b")
			for _, n := range append([]line.News{{ID: "a", What: line.Met, Path: "direct"}, {ID: "b", What: line.Met, Path: "direct"}}, c.news...) {
				m.note(n)
			}
			if got := strings.Join(m.judge(), "\n"); got != c.want {
				t.Errorf("judge() =\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func said(id string, n int) line.News { return line.News{ID: id, What: line.Said, N: n} }
func heard(id, from string, n int) line.News {
	return line.News{ID: id, What: line.Heard, From: from, N: n}
}

// TestTheMinutesSeeWhoNeverTalked holds that a chat which never began is none that
// went well.
func TestTheMinutesSeeWhoNeverTalked(t *testing.T) {
	t.Parallel()
	m := newMinutes()
	m.expect("kind", "a", "b")
	m.note(line.News{ID: "a", What: line.Asks})
	m.note(line.News{ID: "a", What: line.Failed, Why: "nobody came"})
	if got := fmt.Sprint(m.judge()); got != `[a (kind): never talked, asked 1 times: nobody came b (kind): never talked, asked 0 times: ]` {
		t.Errorf("judge() = %s", got)
	}
}
