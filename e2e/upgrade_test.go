//go:build browser

package e2e

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestUpgradeUnderLoad lets new processes take over while many talk, directly and
// through the relay, and others wait: twice in peace, and once while some networks are
// away. No chat is cut, no message lost or doubled, nobody who waits sent away, least
// of all by an upgrade that fails. In the end those who waited are met, and each
// process that was replaced ends by itself.
func TestUpgradeUnderLoad(t *testing.T) {
	u := newUpgrade(t)
	u.keepsItsPromises(u.isRefused())
	u.keepsItsPromises(u.takesOver(u.byCommand))
	u.mends(nothingElse)
	u.keepsItsPromises(u.takesOver(u.bySignal))
	u.mends(func() { u.takesOver(u.bySignal) })
	t.Logf("newcomers meet who waited after %s", spread(u.waiters.areMet()))
	u.lateCome()
	u.allTalk()
	u.ends()
	u.retiredEnd()
}

func nothingElse() {}

// TestTheUpgradeOracleSeesARestart restarts the server where it should have been
// upgraded: everybody who waits is sent away, and who is relayed notices.
func TestTheUpgradeOracleSeesARestart(t *testing.T) {
	u := newUpgrade(t)
	began := time.Now()
	u.kill()
	u.starts()
	for kind := range u.chats {
		u.goesOn(kind, began)
	}
	broken := strings.Join(u.brokenSince(began), "\n")
	for _, want := range []string{
		fmt.Sprintf("%d visitors were sent away", len(u.waiters.waiting)),
		fmt.Sprintf("%d who wait asked again", u.late),
		"udp were told of an interruption", "tcp were told of an interruption", "tls were told of an interruption",
	} {
		if !strings.Contains(broken, want) {
			t.Errorf("the oracle does not say %q of a restart:\n%s", want, broken)
		}
	}
}

// upgrade is a rally whose server is replaced.
type upgrade struct {
	*rally
	waiters *waiters
	late    int  // talkers who wait for others who come in the end
	away    bool // the networks of kindsAway are, and whoever is on them notices
}

// newUpgrade lets all come, and waits until they talk, or wait.
func newUpgrade(t *testing.T) *upgrade {
	t.Helper()
	u := &upgrade{rally: newRally(t, "DRAIN_TIMEOUT=2s")} // nobody waits for it but who is told to end
	chats := flag.Lookup("chats").Value.(flag.Getter).Get().(int)
	u.waiters = u.newWaiters()
	u.late = chats / 20
	u.waiters.wait(chats/4 - u.late)
	u.begin("late", "a", 0, u.late)
	for kind, n := range map[string]int{"direct": chats / 2, "udp": chats / 4, "tcp": chats / 8, "tls": chats / 8} {
		u.chat(kindOfChatCalled(kind), n)
	}
	u.allTalk()
	u.haveTheirPaths()
	eventually(t, "all the others wait", func() bool { return u.figure("match_waiting") == chats/4 })
	return u
}

// takesOver has a new process take over, and returns when that began.
func (u *upgrade) takesOver(ask func()) (began time.Time) {
	u.t.Helper()
	older := len(u.pids())
	began = time.Now()
	ask()
	eventually(u.t, "a new process serves", func() bool { return u.figure("retired_processes") == older })
	took := time.Since(began)
	eventually(u.t, "it has all who wait", func() bool { return u.figure("match_waiting") == len(u.waiters.waiting)+u.late })
	u.t.Logf("takeover %d took %v; %s", older, took.Round(time.Millisecond), u.memory())
	return began
}

// byCommand asks for an upgrade as an operator does.
func (u *upgrade) byCommand() {
	u.t.Helper()
	said, err := u.asksForOne()
	if err != nil {
		u.t.Fatalf("admin upgrade: %v: %s", err, said)
	}
	u.t.Logf("admin upgrade said: %s", said)
}

// bySignal asks for it as a script does: the newest process, which is the one that was
// started last.
func (u *upgrade) bySignal() {
	u.t.Helper()
	pids := u.pids()
	if err := syscall.Kill(pids[len(pids)-1], syscall.SIGUSR2); err != nil {
		u.t.Fatal(err)
	}
}

// asksForOne asks for an upgrade, as an operator does.
func (u *upgrade) asksForOne() (said string, err error) {
	u.t.Helper()
	out, err := u.lab.Server().Command(u.t.Context(), serverBinary(u.t), "admin", "upgrade", "--url", "http://"+rallyAdmin).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// isRefused installs a program that is none of ours, and wants the upgrade to fail
// and the server to go on. It returns when that began.
func (u *upgrade) isRefused() (began time.Time) {
	u.t.Helper()
	u.install("/bin/false")
	began = time.Now()
	said, err := u.asksForOne()
	if err == nil {
		u.t.Fatalf("admin upgrade to a program that fails said: %s", said)
	}
	u.t.Logf("admin upgrade to a program that fails said after %v: %s", time.Since(began).Round(time.Millisecond), said)
	u.install(serverBinary(u.t))
	return began
}

// memory tells what each process of the server uses.
func (r *rally) memory() string {
	var list []string
	for _, pid := range r.pids() {
		list = append(list, fmt.Sprintf("process %d: %d MiB", pid, resident(pid)))
	}
	return strings.Join(list, ", ")
}

// keepsItsPromises wants all to go on after a takeover as before.
func (u *upgrade) keepsItsPromises(began time.Time) {
	u.t.Helper()
	u.allTalk()
	for kind := range u.chats {
		u.t.Logf("%s: longest silence %s", kind, spread(u.minutes.silences(kind, began)))
	}
	if broken := u.brokenSince(began); len(broken) > 0 {
		u.t.Errorf("the upgrade was noticed:\n%s", strings.Join(broken, "\n"))
	}
}

// brokenSince lists what people have noticed of the server since a time.
func (u *upgrade) brokenSince(began time.Time) (broken []string) {
	for kind := range u.chats {
		n := u.minutes.count(kind, func(a *account) bool {
			return slices.ContainsFunc(a.interrupted, func(at time.Time) bool { return at.After(began) })
		})
		if n > u.tolerated(kind) && (!u.away || !slices.Contains(kindsAway(), kind)) {
			broken = append(broken, fmt.Sprintf("%d of %d who talk by %s were told of an interruption", n, 2*u.chats[kind], kind))
		}
	}
	if n := u.minutes.count("late", func(a *account) bool { return a.asks > 1 }); n > 0 {
		broken = append(broken, fmt.Sprintf("%d who wait asked again", n))
	}
	if list := u.waiters.sentAway(); len(list) > 0 {
		broken = append(append(broken, fmt.Sprintf("%d visitors were sent away", len(list))), list...)
	}
	slices.Sort(broken)
	return broken
}

// tolerated is how many of a kind may be told of an interruption because the machine
// had other things to do for two seconds; of a relay that was lost all are told.
func (u *upgrade) tolerated(kind string) int {
	if flag.Lookup("recovery").Value.(flag.Getter).Get().(bool) {
		return 0
	}
	return u.chats[kind] / 2
}

// cutOffFor is how long a network lets nothing out: longer than ICE takes to give a path
// up.
const cutOffFor = 8 * time.Second

// kindsAway are the kinds of chats of which one host is cut off.
func kindsAway() []string { return []string{"direct", "udp"} }

// mends cuts one host of two kinds off, while something else happens: who comes back
// finds his seat in the room of a process that was replaced, and ICE restarts through
// the two. Nobody else notices.
func (u *upgrade) mends(meanwhile func()) {
	u.t.Helper()
	began := time.Now()
	u.away = true
	for _, kind := range kindsAway() {
		u.choirs[kind+"b"].lets(nothingAtAll)
	}
	meanwhile()
	u.lasts(cutOffFor - time.Since(began))
	back := time.Now()
	for _, kind := range kindsAway() {
		u.choirs[kind+"b"].lets(kindOfChatCalled(kind).lets)
	}
	for _, kind := range kindsAway() {
		u.isPromised("the partner is heard again after a network was away, "+kind, u.goesOn(kind, back))
	}
	u.keepsItsPromises(began)
	u.away = false
}

// lateCome lets those come whom talkers have waited for.
func (u *upgrade) lateCome() {
	u.t.Helper()
	u.begin("late", "b", 0, u.late)
	u.chats["late"] = u.late
}

// retiredEnd lets everybody leave, and wants each process but the newest to end by
// itself; and then that one, when it is told to.
func (u *upgrade) retiredEnd() {
	u.t.Helper()
	u.waiters.leave()
	for _, c := range u.choirs {
		c.leave()
	}
	left := time.Now()
	eventuallyWithin(u.t, 2*patience, "processes that were replaced end when nobody is left", func() bool { return len(u.pids()) == 1 })
	u.t.Logf("they ended %v after everybody had left; %s", time.Since(left).Round(time.Millisecond), u.memory())
	if err := syscall.Kill(u.pids()[0], syscall.SIGTERM); err != nil {
		u.t.Fatal(err)
	}
	first := u.process.cmd
	if err := u.process.ends(patience); err != nil {
		u.t.Fatal(err)
	}
	if code := first.ProcessState.ExitCode(); code != 0 {
		u.t.Errorf("the first process ended with %d, want 0", code)
	}
	eventually(u.t, "the last process ends", func() bool { return len(u.pids()) == 0 })
}
