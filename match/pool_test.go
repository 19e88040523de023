package match

import (
	"math/rand/v2"
	"testing"
)

func newTicket(user string) *ticket {
	return &ticket{user: user, quiet: func() bool { return true }}
}

func TestPoolIsFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	var p pool
	var waiting []*ticket
	for range 5 {
		w := newTicket("the same user") // who never meets himself
		if partner, enlisted := p.offer(w); partner != nil || !enlisted {
			t.Fatalf("offer = %v, %v, want to wait", partner, enlisted)
		}
		waiting = append(waiting, w)
	}
	for i, want := range waiting {
		newcomer := newTicket("another")
		if partner, _ := p.offer(newcomer); partner != want {
			t.Errorf("newcomer %d was not given who waits longest", i)
		}
	}
	if n := p.len(); n != 0 {
		t.Errorf("%d wait, want 0", n)
	}
}

func TestPoolForgetsWhoLeft(t *testing.T) {
	t.Parallel()
	var p pool
	left, stays := newTicket("a"), newTicket("a")
	p.offer(left)
	p.offer(stays)
	if !p.cancel(left) {
		t.Error("cancel of a waiting ticket = false, want true")
	}
	newcomer := newTicket("b")
	if partner, _ := p.offer(newcomer); partner != stays {
		t.Error("the newcomer was not given the one who stays")
	}
	if p.cancel(stays) {
		t.Error("cancel of a matched ticket = true, want false: a match is on its way")
	}
	if partner, enlisted := p.offer(left); partner != nil || enlisted {
		t.Error("a cancelled ticket was offered again")
	}
}

// TestWhoIsNotQuietIsLookedAtAgain holds that a doubtful waiter is proposed to
// nobody, and keeps his place if he turns out to be there.
func TestWhoIsNotQuietIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	var p pool
	quiet := false
	doubtful := newTicket("a")
	p.offer(doubtful)
	second := newTicket("a")
	p.offer(second)
	doubtful.quiet = func() bool { return quiet }

	first := newTicket("b")
	if partner, _ := p.offer(first); partner != second {
		t.Fatal("the newcomer was not given the next one")
	}
	if partner, enlisted := p.offer(doubtful); partner != nil || enlisted {
		t.Fatal("who is not quiet was offered")
	}
	third := newTicket("a")
	p.offer(third)
	quiet = true
	p.offer(doubtful) // the reader has rested
	if partner, _ := p.offer(newTicket("b")); partner != doubtful {
		t.Error("who turned out to be there has lost his place")
	}
}

func TestWhoLostAPartnerIsFirst(t *testing.T) {
	t.Parallel()
	var p pool
	dead, newcomer := newTicket("dead"), newTicket("b")
	p.offer(dead)
	if partner, _ := p.offer(newcomer); partner != dead {
		t.Fatal("no match")
	}
	p.cancel(dead) // could not be told
	p.again(newcomer)
	p.offer(newTicket("b"))
	p.offer(newcomer)
	if partner, _ := p.offer(newTicket("c")); partner != newcomer {
		t.Error("who lost a partner is not first")
	}
}

// TestPoolKeepsItsPromises plays a long random story against a plain model.
func TestPoolKeepsItsPromises(t *testing.T) {
	t.Parallel()
	const steps = 50_000
	rnd := rand.New(rand.NewPCG(1, 2))
	var p pool
	here := map[*ticket]bool{} // tickets that wait, by the model
	users := []string{"a", "b", "c", "d"}
	for range steps {
		if rnd.IntN(3) == 0 {
			for w := range here {
				if !p.cancel(w) {
					t.Fatal("cancel of a waiting ticket = false")
				}
				delete(here, w)
				break
			}
			continue
		}
		n := newTicket(users[rnd.IntN(len(users))])
		partner, enlisted := p.offer(n)
		switch {
		case partner != nil && (!here[partner] || partner.user == n.user):
			t.Fatal("matched with somebody who is not there, or with himself")
		case partner != nil:
			delete(here, partner)
		case enlisted:
			for w := range here {
				if w.user != n.user {
					t.Fatal("somebody waits while a fitting partner waits")
				}
			}
			here[n] = true
		default:
			t.Fatal("neither matched nor waiting")
		}
		if p.len() != len(here) {
			t.Fatalf("len = %d, want %d", p.len(), len(here))
		}
	}
}

func BenchmarkOfferAndMatch(b *testing.B) {
	var p pool
	x, y := newTicket("x"), newTicket("y")
	b.ReportAllocs()
	for b.Loop() {
		x.state, y.state = arriving, arriving
		p.offer(x)
		if partner, _ := p.offer(y); partner != x {
			b.Fatal("no match")
		}
	}
}
