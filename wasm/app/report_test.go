package main

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/wasmp2pchat/wasmp2pchat/peer"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

func TestReport(t *testing.T) {
	t.Parallel()
	const thanks = "system: Thank you, the report was sent. Next brings you to somebody else."
	complain := func(s *stage, p *stranger, taken error) {
		s.do(input{kind: sendReport, text: wire.ReportSpam})
		select {
		case got := <-p.reports:
			if got != wire.ReportSpam {
				s.t.Errorf("the reason is %q, want %q", got, wire.ReportSpam)
			}
		default:
			s.t.Fatal("nothing was reported")
		}
		if s.view().canReport {
			s.t.Error("one can report again before the server has answered")
		}
		p.taken <- taken
		synctest.Wait()
	}
	tests := []struct {
		name  string
		story func(s *stage, p *stranger)
	}{
		{"while chatting", func(s *stage, p *stranger) {
			complain(s, p, nil)
			s.wantState(chatting)
			s.wantLog(hello, thanks)
			if v := s.view(); v.canReport || v.focus != "next" {
				s.t.Errorf("after the report: can report again %v, focus on %s", v.canReport, v.focus)
			}
		}},
		{"after the stranger has left", func(s *stage, p *stranger) {
			p.does(peer.Event{Kind: peer.EventLeft})
			complain(s, p, nil)
			s.wantState(left)
			s.wantLog(hello, thanks)
		}},
		{"that the server does not take", func(s *stage, p *stranger) {
			complain(s, p, errors.New("too late"))
			s.wantLog(hello, "system: The report was not sent. Try again in a moment.")
			if !s.view().canReport {
				s.t.Error("one cannot try again")
			}
		}},
		{"that is answered when one has gone on", func(s *stage, p *stranger) {
			s.do(input{kind: sendReport, text: wire.ReportOther})
			s.press(pressNext)
			s.meet()
			p.taken <- nil
			s.wantLog(hello)
			if !s.view().canReport {
				s.t.Error("the next stranger cannot be reported")
			}
		}},
		{"that is under way when the page is closed", func(s *stage, _ *stranger) {
			s.do(input{kind: sendReport, text: wire.ReportOther})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			play(t, func(s *stage) {
				s.press(pressStart)
				tt.story(s, s.meet())
			})
		})
	}
}

func TestReportOfNobody(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		s.do(input{kind: sendReport, text: wire.ReportSpam})
		s.press(pressStart)
		s.do(input{kind: sendReport, text: wire.ReportSpam})
		s.wantState(waiting)
		s.wantLog()
	})
}

// TestReasons holds the dialog and those who read reports together.
func TestReasons(t *testing.T) {
	t.Parallel()
	index, err := os.ReadFile("../page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`name="reason" value="([a-z]+)"`).FindAllSubmatch(index, -1) {
		got = append(got, string(m[1]))
	}
	want := []string{wire.ReportSpam, wire.ReportHarassment, wire.ReportSexual, wire.ReportMinor, wire.ReportOther}
	if !slices.Equal(got, want) {
		t.Errorf("the dialog offers %q, want %q", got, want)
	}
}
