package main

import "context"

// reporting says how far a report of the partner has come.
type reporting int

// The steps of a report.
const (
	unreported reporting = iota
	underway             // the server has not answered
	reported
)

// answer is the server's, to a report.
type answer struct {
	about partner
	err   error
}

// report complains of the partner, who may have left. It does not wait for the
// server.
func (a *app) report(ctx context.Context, reason string) {
	a.model.report = underway
	about := a.last
	a.working.Go(func() {
		err := about.Report(ctx, reason)
		select {
		case a.answers <- answer{about, err}:
		case <-ctx.Done():
		}
	})
}

// answered says what became of a report, to who is still there to read it.
func (a *app) answered(answer answer) {
	switch {
	case answer.about != a.last:
	case answer.err != nil:
		a.model.report = unreported
		a.say("unreported")
	default:
		a.model.report = reported
		a.say("reported")
	}
}
