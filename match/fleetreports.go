package match

import (
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// A report may come to another node than the two that know the meeting, for who
// reports has come back by a load balancer. Then all are asked, and those that know
// it take the report and say so.
const (
	// answerTime is how long it may take until one of them does.
	answerTime = 2 * time.Second
	// maxQuestions is how many reports are under way at once.
	maxQuestions = 1 << 10
)

// question is a report that other nodes were asked to take.
type question struct {
	asker *visitor
	late  *time.Timer
}

// ask hands a report to the other nodes. False: there are none, or they were
// asked too much; else the visitor is told what came of it.
func (o *others) ask(v *visitor, r wire.Report) bool {
	if o == nil || o.lobby.kin != nil && o.lobby.kin.alone() || !o.mayAsk(&o.reports, time.Now()) {
		return false
	}
	o.mu.Lock()
	if len(o.questions) >= maxQuestions {
		o.mu.Unlock()
		return false
	}
	o.asked++
	number := o.asked
	o.questions[number] = &question{v, time.AfterFunc(answerTime, func() { o.settle(number, nil) })}
	o.mu.Unlock()
	o.tellAll(toldReport, &accusation{number, r})
	return true
}

// settle tells who has reported somebody what came of it, once; nil: nobody knows
// that meeting.
func (o *others) settle(number uint64, a *answer) {
	o.mu.Lock()
	q := o.questions[number]
	delete(o.questions, number)
	o.mu.Unlock()
	if q == nil {
		return
	}
	q.late.Stop()
	if a == nil {
		q.asker.reportUnknown()
		return
	}
	if a.Counts {
		o.lobby.reports.Add(1)
	}
	q.asker.reportTaken()
}

// takeReport takes a report that came to another node.
func (o *others) takeReport(from string, m *accusation) {
	if counts, known := o.lobby.accuse(m.Report); known {
		o.tell(from, toldAnswer, &answer{m.Number, counts})
	}
}

// accuse takes a report of somebody whose meeting is known here, and tells whether
// it counts.
func (l *Lobby) accuse(r wire.Report) (counts, known bool) {
	about, by, first, known := l.meetings.complain(r)
	now, people := time.Now(), l.turnstile.peoplePerAddr()
	if !first || l.cfg.Bans.judge(by, people, now).ban != "" {
		return false, known
	}
	l.cfg.Bans.report(about, by, r.Reason, people, now)
	return true, true
}

// reportTaken and reportUnknown say what came of a report.
func (v *visitor) reportTaken() {
	_ = v.conn.Post(wsconn.JSON(wire.MatchMessage{Type: wire.MatchReported})) // its reader learns of an end by itself
}

func (v *visitor) reportUnknown() {
	v.lobby.refusals[wire.ErrorUnknownRoom].Add(1)
	_ = v.conn.Post(wsconn.JSON(wire.MatchMessage{Type: wire.MatchError, Reason: wire.ErrorUnknownRoom})) // its reader learns of an end by itself
}
