package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// A row is one question. Its probe is given a client of a server of its own, and
// says in a few words what the server did.
type row struct {
	name  string
	probe func(*client) string
	want  string // the right answer, or several: "a | b"
	stock string // what stock pion v4.1.4 answers; in parentheses: it is not asked

	config func(*turnsvc.Config) // nil: that of the section
	slow   bool                  // takes about ten seconds, in which it only waits
}

// A section is a table of rows.
type section struct {
	name   string
	config func(*turnsvc.Config) // nil: relay to everybody
	rows   []row
}

func sections(t *testing.T) []section {
	return []section{
		{"authentication", nil, slices.Concat(credentialRows(), nonceRows(), ownerRows(), overtimeRows())},
		{"allocate", nil, slices.Concat(allocateRows(), familyRows(), portRows(), lifetimeRows())},
		{"permissions", nil, slices.Concat(dataRows(), permissionRows(), channelRows())},
		{"denied peers", strangersOnly, append(deniedRows(), wallRows()...)},
		{"integrity", nil, append(integrityRows(), fingerprintRows()...)},
		{"strangers", nil, append(strangerRows(), junkRows()...)},
		{"streams", nil, append(streamRows(), overflowRows()...)},
		{"tls", withTLS(t), tlsRows()},
		{"limits", nil, append(limitRows(), floodRows()...)},
	}
}

// An outcome is a row with what was answered.
type outcome struct {
	section     string
	row         row
	ours, stock string
}

// right reports whether an answer is one of those wanted.
func right(answer, want string) bool { return slices.Contains(strings.Split(want, " | "), answer) }

// TestTable asks every question of both servers, and prints the table.
func TestTable(t *testing.T) {
	t.Parallel()
	var outcomes []*outcome
	var asking sync.WaitGroup
	places := make(chan struct{}, 6) // more at once would only make each slower
	for _, s := range sections(t) {
		for _, r := range s.rows {
			if r.config == nil {
				r.config = s.config
			}
			o := &outcome{section: s.name, row: r}
			outcomes = append(outcomes, o)
			// Not t.Parallel, which would count those that wait.
			asking.Go(func() {
				if !r.slow {
					places <- struct{}{}
					defer func() { <-places }()
				}
				t.Run(s.name+"/"+r.name, func(t *testing.T) { o.ask(t) })
			})
		}
	}
	asking.Wait()
	t.Log(table(outcomes))
}

// ask asks one question of both servers at the same time.
func (o *outcome) ask(t *testing.T) {
	o.ours, o.stock = "no answer", "no answer"
	var asking sync.WaitGroup
	asking.Go(func() {
		t.Run("ours", func(t *testing.T) {
			s := ours(t, o.row.config)
			s.expects = o.row.want
			if o.ours = o.row.probe(s.dial("udp", "127.0.0.1", "ann")); !right(o.ours, o.row.want) {
				t.Errorf("the answer is %q, want %q", o.ours, o.row.want)
			}
		})
	})
	if strings.HasPrefix(o.row.stock, "(") {
		o.stock = o.row.stock
	} else {
		asking.Go(func() {
			t.Run("stock", func(t *testing.T) {
				s := stock(t)
				s.expects = o.row.stock
				if o.stock = o.row.probe(s.dial("udp", "127.0.0.1", "ann")); o.stock != o.row.stock {
					t.Errorf("stock pion answers %q, not %q as the table says", o.stock, o.row.stock)
				}
			})
		})
	}
	asking.Wait()
}

// table prints what was answered, one row a line, and once more at the end what
// is wrong.
func table(outcomes []*outcome) string {
	var b, wrong strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	good, last := 0, ""
	for _, o := range outcomes {
		if o.section != last {
			last = o.section
			fmt.Fprintf(w, "\n%s\tours\twant\tstock pion v4.1.4\n", strings.ToUpper(last))
		}
		mark := "WRONG"
		if right(o.ours, o.row.want) {
			mark = "ok"
			good++
		} else {
			fmt.Fprintf(&wrong, "%s/%s: %s, want %s\n", o.section, o.row.name, o.ours, o.row.want)
		}
		if o.stock != o.row.stock {
			fmt.Fprintf(&wrong, "%s/%s: stock pion says %s, no longer %s\n", o.section, o.row.name, o.stock, o.row.stock)
		}
		fmt.Fprintf(w, "%-5s %s\t%s\t%s\t%s\n", mark, o.row.name, o.ours, o.row.want, o.stock)
	}
	_ = w.Flush() // a Builder takes everything
	fmt.Fprintf(&b, "\n%d of %d rows are right\n%s", good, len(outcomes), wrong.String())
	return b.String()
}

// wait lets real time pass, for which a server's clock is what is tested.
func wait(d time.Duration) { <-time.After(d) }
