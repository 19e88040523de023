package redispool

import (
	"context"
	"time"
)

// talk says to Redis what there is to say, one batch after the other: what one
// ticket has to say arrives in its order, and what comes together travels together.
func (p *Pool) talk(ctx context.Context) {
	for {
		select {
		case <-p.kicked:
		case <-ctx.Done():
			return
		}
		for b := p.nextBatch(); b != nil; b = p.nextBatch() {
			answers, dropped, lost, err := p.store.exchange(ctx, b)
			if ctx.Err() != nil {
				return
			}
			p.done(b, answers, dropped, lost || err != nil, err)
		}
	}
}

// nextBatch is what there is to say; nil: nothing, or nobody hears it.
func (p *Pool) nextBatch() *batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link != linked {
		return nil
	}
	b := &batch{owner: p.owner, rules: p.rules, places: map[string]byte{}}
	for len(p.withdrawals) > 0 && len(b.withdrawals) < batchWithdrawals && len(b.queues)+batchKeys <= batchQueues {
		for _, queue := range p.withdrawals[0].queues {
			b.place(queue)
		}
		b.withdrawals, p.withdrawals = append(b.withdrawals, p.withdrawals[0]), p.withdrawals[1:]
	}
	b.strangers, p.strangers = cut(p.strangers, batchStrangers)
	b.letters, p.letters = cut(p.letters, batchLetters)
	// An offer never overtakes a withdrawal: it may be of the same ticket.
	for len(p.withdrawals) == 0 && len(p.calls) > 0 && !b.full() {
		e := p.calls[0]
		p.calls[0], p.calls = nil, p.calls[1:]
		e.called = false
		if s := e.life.stage; s == offering && !e.looked || s == waiting && e.looked {
			b.offers = append(b.offers, e.call(b, p.origin))
			e.looked = true
		}
	}
	if len(b.withdrawals)+len(b.strangers)+len(b.letters)+len(b.offers) == 0 {
		return nil
	}
	p.stats.Calls++
	return b
}

// cut is the first of a list, and what is left.
func cut[T any](list []T, most int) (some, rest []T) {
	n := min(len(list), most)
	if n == len(list) {
		return list, nil
	}
	return list[:n:n], list[n:]
}

// done takes the answers to a batch.
func (p *Pool) done(b *batch, answers []answer, dropped int, failed bool, err error) {
	p.mu.Lock()
	defer p.unlock()
	now := p.now()
	if failed {
		p.stats.Failed++
		p.cfg.Log.Debug("the pool has lost its lease", "err", err)
		if p.owner == b.owner {
			p.unlink(now)
		}
		return
	}
	p.stats.Dropped += uint64(dropped)
	if p.owner != b.owner || p.link != linked {
		return
	}
	for i, a := range answers {
		p.answered(&b.offers[i], a, now)
	}
}

// answered is what follows from one answer.
func (p *Pool) answered(c *call, a answer, now time.Duration) {
	e := c.entry
	current := e.life.generation == c.generation
	switch a.what {
	case answerStands, answerCut:
		p.happens(e, event{kind: enqueued, generation: c.generation})
		if !current || e.life.stage != waiting {
			return
		}
		p.stands(e, a, now)
	case answerPaired:
		p.paired(e, c, a)
	case answerGone:
		if current && e.life.stage == waiting && e.repair == 0 {
			e.repair = now + repairTime // whoever has met it will say so
			p.wake(e, e.repair)
		}
	}
}

// stands is for who has found nobody: when it looks again, and what it is told.
func (p *Pool) stands(e *entry, a answer, now time.Duration) {
	switch {
	case a.what == answerCut && e.page < maxPage:
		e.page++
		e.relook = now + tickEvery
	case a.again > 0:
		e.page, e.relook = 0, now+a.again
	default:
		e.page = 0
	}
	if e.relook != 0 {
		p.wake(e, e.relook)
	}
	p.greet(e, now)
}

// paired is for who has found somebody: at another node, who is asked by the
// script, or at this one.
func (p *Pool) paired(e *entry, c *call, a answer) {
	mine := p.isMine(a.with)
	e.partner = a.user
	p.happens(e, event{kind: paired, generation: c.generation, from: a.with})
	with := e.life.generation == c.generation && e.life.with == a.with
	asks := with && e.life.stage == asking
	if !asks && (!with || e.life.stage != told) { // else a yes has overtaken the answer
		p.strange(e.user, a.user)
	}
	if !mine {
		return
	}
	if asks {
		p.receive(&letter{kind: letterMatch, to: a.with, from: p.name(e, c.generation), guest: *e.asGuest()})
	} else if partner := p.entries[a.with.Conn]; partner != nil {
		p.happens(partner, event{kind: lacking, generation: a.with.Generation})
	}
}
