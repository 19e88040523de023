package main

import (
	"context"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"
)

// referenceLimit is the largest message that Ayame's own server takes.
const referenceLimit = 1 << 20

// suite is a server under test and how to reach it.
type suite struct {
	url      *url.URL
	limit    int           // bytes of the largest message
	slow     bool          // also the rows that wait for time-outs
	patience time.Duration // for what should come at once
	dial     func(ctx context.Context, network, address string) (net.Conn, error)

	authn      *hook // nil: the server does not call us
	disconnect *hook // nil: the same
}

// row is one thing that a client can notice. What a server does is put into
// few words, the same ones each time, so that it can be compared.
type row struct {
	group string
	does  string // what is done
	spec  string // what the specification says; empty: nothing
	// against means that Ayame's own server does not do what spec says.
	against   bool
	reference string   // what Ayame's own server does
	better    []better // what a server may do instead

	slow  bool // waits for a time-out
	last  bool // some servers do not survive it
	needs need

	run func(v *visit) string // does it, and says what the server did
}

// better is an answer that is not that of Ayame's own server, on purpose.
type better struct{ did, why string }

// need is which webhooks a row looks at.
type need uint8

const (
	authnHook need = 1 << iota
	disconnectHook
)

// verdict says how an answer compares.
type verdict string

const (
	asSpec      verdict = "as spec"
	asReference verdict = "as reference"
	isBetter    verdict = "better"
	differs     verdict = "differs"
	skipped     verdict = "skipped"
)

// result is a line of the table.
type result struct {
	Group     string  `json:"group"`
	Does      string  `json:"does"`
	Spec      string  `json:"spec,omitempty"`
	Reference string  `json:"reference"`
	Did       string  `json:"did"`
	Verdict   verdict `json:"verdict"`
	Why       string  `json:"why,omitempty"` // it is better, or was skipped
}

// judge compares what a server did with what it should do.
func (r *row) judge(did string) (v verdict, why string) {
	if did == r.reference {
		if r.spec != "" && !r.against {
			return asSpec, ""
		}
		return asReference, ""
	}
	for _, b := range r.better {
		if did == b.did {
			return isBetter, b.why
		}
	}
	return differs, ""
}

// rows is the whole protocol, in the order of the table.
func (s *suite) rows() []row {
	return slices.Concat(
		inGroup("transport", s.transport()),
		inGroup("register", registers(), refusedRegisters()),
		inGroup("accept", accepts()),
		inGroup("forward", forwards(), drops()),
		inGroup("room", rooms(), standalone()),
		inGroup("fault", faults()),
		inGroup("time", times()),
		inGroup("authn webhook", s.authnRequests(), s.authnAnswers(), s.authnFaults()),
		inGroup("disconnect webhook", s.disconnects()),
	)
}

func inGroup(name string, parts ...[]row) []row {
	rows := slices.Concat(parts...)
	for i := range rows {
		rows[i].group = name
	}
	return rows
}

// run plays all rows: one after the other, the slow ones beside them, and at
// the end those that the server may not survive.
func (s *suite) run(ctx context.Context) []result {
	rows := s.rows()
	results := make([]result, len(rows))
	var slow sync.WaitGroup
	for i := range rows {
		if rows[i].slow {
			slow.Go(func() { results[i] = s.play(ctx, &rows[i]) })
		}
	}
	for _, last := range []bool{false, true} {
		for i := range rows {
			if !rows[i].slow && rows[i].last == last {
				results[i] = s.play(ctx, &rows[i])
			}
		}
		slow.Wait()
	}
	return results
}

// play runs one row, if it can be.
func (s *suite) play(ctx context.Context, r *row) result {
	result := result{Group: r.group, Does: r.does, Spec: r.spec, Reference: r.reference, Verdict: skipped}
	switch {
	case r.slow && !s.slow:
		result.Why = "slow"
	case r.needs&authnHook != 0 && s.authn == nil, r.needs&disconnectHook != 0 && s.disconnect == nil:
		result.Why = "the server does not call us"
	default:
		v := s.visit(ctx)
		defer v.end()
		result.Did = r.run(v)
		result.Verdict, result.Why = r.judge(result.Did)
	}
	return result
}
