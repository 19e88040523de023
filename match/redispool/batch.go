package redispool

import (
	"strconv"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// Bounds of one call of the script.
const (
	batchOffers      = 32
	batchWithdrawals = 64
	batchLetters     = 128
	batchStrangers   = 64
	batchQueues      = 240  // named by a byte
	batchKeys        = 17   // that one offer may add: one for each subset of its tags, and the open queue
	batchSteps       = 1024 // who all offers together look at; of more each looks again soon
	glance           = 16   // who an offer looks at in each queue at first
	page             = 128  // and at each later tick
	maxPage          = 8    // after so many it has seen all that can stand in a queue and not fit
	queueSpare       = time.Minute
)

// batch is what the talker says to Redis at once.
type batch struct {
	owner string
	rules match.PoolConfig

	withdrawals []withdrawal
	strangers   []string
	offers      []call
	letters     []post

	queues []string // as the script's keys, without prefix
	places map[string]byte
}

// withdrawal takes a ticket out of queues and, if whole, out of Redis.
type withdrawal struct {
	ticket string
	whole  bool
	queues []string
}

// post is a letter on its way.
type post struct{ owner, text string }

// call is an offer on its way, or a further look of one who stands.
type call struct {
	entry      *entry
	generation uint32
	ticket     string
	value      string
	looks      string
	stands     string
	guest      string
}

// place is the byte by which the script knows a queue.
func (b *batch) place(queue string) byte {
	at, known := b.places[queue]
	if !known {
		b.queues = append(b.queues, queue)
		at = byte(len(b.queues))
		b.places[queue] = at
	}
	return at
}

func (b *batch) full() bool {
	return len(b.offers) == batchOffers || len(b.queues)+batchKeys > batchQueues
}

// encode is a withdrawal as the script reads it.
func (w *withdrawal) encode(b *batch) string {
	text := make([]byte, 1, 1+len(w.queues))
	if w.whole {
		text[0] = 1
	}
	for _, queue := range w.queues {
		text = append(text, b.place(queue))
	}
	return string(text)
}

func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

// call is the batch as keys and arguments of the script.
func (b *batch) call(prefix string) (keys, args []string) {
	young := time.Duration(0)
	if b.rules.Crowd > 0 {
		young = match.YoungFor
	}
	args = append(make([]string, 0, 15+2*len(b.withdrawals)+5*len(b.offers)+2*len(b.letters)+len(b.strangers)),
		b.owner, prefix+"in:", micros(b.rules.Avoid), micros(match.AloneFor), micros(young), micros(match.CrowdWait),
		strconv.FormatInt((b.rules.MaxWait+queueSpare).Milliseconds(), 10), strconv.Itoa(batchSteps), strconv.Itoa(inboxMost),
		strconv.Itoa(len(b.withdrawals)), strconv.Itoa(len(b.offers)), strconv.Itoa(len(b.letters)), strconv.Itoa(len(b.strangers)),
		strconv.Itoa(glance), strconv.Itoa(page))
	for i := range b.withdrawals {
		args = append(args, b.withdrawals[i].ticket, b.withdrawals[i].encode(b))
	}
	args = append(args, b.strangers...)
	for i := range b.offers {
		o := &b.offers[i]
		args = append(args, o.ticket, o.value, o.looks, o.stands, o.guest)
	}
	for _, l := range b.letters {
		args = append(args, l.owner, l.text)
	}
	keys = append(make([]string, 0, 3+len(b.queues)), prefix+"t", prefix+"n", prefix+"met")
	for _, queue := range b.queues {
		keys = append(keys, prefix+"q:"+queue)
	}
	return keys, args
}

// answer is what the script made of an offer.
type answer struct {
	what  answerKind
	user  string        // paired: whom it was paired with, as users are written in Redis
	with  name          // paired
	again time.Duration // stands: when it may fit somebody whom it does not fit yet; 0: nobody
}

type answerKind byte

const (
	answerStands answerKind = 'w' // and has seen everybody
	answerCut    answerKind = 'c' // stands, and has not
	answerPaired answerKind = 'p'
	answerGone   answerKind = 'g' // it looked around, and does not stand any more
)

// maxAgain bounds what is believed of the script.
const maxAgain = time.Hour

func parseAnswer(text string) (a answer, err error) {
	if text == "" {
		return a, errAnswer
	}
	a.what = answerKind(text[0])
	switch text = text[1:]; a.what {
	case answerStands, answerCut:
		us, err := strconv.ParseInt(text, 10, 64)
		if err != nil || us < 0 {
			return a, errAnswer
		}
		a.again = time.Duration(min(us, maxAgain.Microseconds()) * 1000)
		return a, nil
	case answerPaired:
		if len(text) <= userBytes {
			return a, errAnswer
		}
		a.user = strings.Clone(text[:userBytes])
		a.with, err = parseName(text[userBytes:])
		return a, err
	case answerGone:
		return a, nil
	default:
		return a, errAnswer
	}
}
