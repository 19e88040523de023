package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
)

// heirConfig is how a process of the server starts the next one, with the environment
// that it has been started with itself. The program is found anew: it may be another
// file by then.
func heirConfig(environ []string) *succession.Config {
	program := ownProgram()
	if program == "" {
		return nil
	}
	first := os.Getpid() == 1
	environ = slices.Clone(environ)
	managed := false
	environ = slices.DeleteFunc(environ, func(each string) bool {
		name, _, _ := strings.Cut(each, "=")
		managed = managed || name == "NOTIFY_SOCKET"
		switch name {
		case "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID": // they are for one process
			return true
		}
		return first && name == "NOTIFY_SOCKET" // who has started the container knows its first process alone
	})
	return &succession.Config{
		Program: append([]string{program}, os.Args[1:]...), Environ: environ,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Sibling: managed && !first, Stays: first, Version: buildVersion(),
	}
}

// ownProgram is the path of this program as it was called: a link in it may point to
// another version by the time of an upgrade.
func ownProgram() string {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		path = "" // its folder has gone, or it was called by another name
	}
	return path
}

// inLine has the server serve as one of the processes of a line. An older one is told
// why this one cannot.
func inLine(ctx context.Context, w world, cfg *config, log *slog.Logger, serve func(context.Context, *succession.Line) error) error {
	if w.heir == nil {
		return serve(ctx, nil)
	}
	settings := *w.heir
	settings.Log, settings.RetireTimeout, settings.EndTimeout = log.With("svc", "upgrade"), cfg.RetireTimeout, cfg.DrainTimeout+endTimeout
	if cfg.inFleet() {
		settings.Unfit = "it is one of a fleet (" + prefix + "REDIS_URL): end one node after the other, as docs/scaling.md has it"
	}
	line, err := succession.Open(settings, w.elder)
	if err != nil {
		return err
	}
	defer line.Close()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	line.Attend(ctx, end)
	err = serve(ctx, line)
	if err != nil {
		line.Fail(err, hintOf(err))
	}
	return err
}

// endTimeout is how long the other processes of a server may take to end, beside
// DRAIN_TIMEOUT.
const endTimeout = 10 * time.Second

// refuse tells an older process that this one has not even settings.
func refuse(w world, err error) {
	if w.elder == nil || w.heir == nil {
		return
	}
	if line, failed := succession.Open(*w.heir, w.elder); failed == nil {
		line.Fail(err, hintOf(err))
	}
}

// hintOf is what can be done about an error, if that is known.
func hintOf(err error) string {
	if hint, ok := errors.AsType[*hinted](err); ok {
		return hint.hint
	}
	return ""
}

// takeOver is the last step before a process serves: it says what is done when there
// is a new one, and takes over from the older one, if there is one.
func takeOver(ctx context.Context, w world, run *operator, f *front, web, admin *httpServer, log *slog.Logger) error {
	w.line.Bequeath("web", f.part(web))
	w.line.Bequeath("admin", admin.part())
	w.line.Bequeath("readiness", run.part())
	elder := w.line.Elder()
	if elder == "" {
		return nil
	}
	err := w.line.Ready(ctx)
	if err == nil {
		log.Info("takes over", "from", elder, "as", w.line.Node())
	}
	return err
}

// retired is what /readyz says in a process of which a newer one has taken over.
const retired = "retired: a newer process serves"

// upgrade starts the program anew and hands the server over to it. It says in the log
// what has come of it.
func upgrade(ctx context.Context, w world, log *slog.Logger) (succession.Process, error) {
	log.Info("upgrade begins")
	w.manager.say(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
	next, err := w.line.Upgrade(ctx)
	if err != nil {
		w.manager.say(daemon.SdNotifyReady)
		log.Warn("upgrade failed: this process goes on", "err", err.Error(), "hint", takeoverHint(err))
		return next, err
	}
	w.manager.succeeded(next.PID)
	log.Info("a new process serves: this one is retired", "pid", next.PID, "version", next.Version)
	return next, nil
}

func takeoverHint(err error) string {
	if failed, ok := errors.AsType[*succession.TakeoverError](err); ok {
		return failed.Hint
	}
	return ""
}

// upgrade is POST /api/upgrade. Whoever asks may go: the upgrade goes on.
func (o *operator) upgrade(ctx context.Context) (admin.Upgraded, error) {
	before := o.world.line.Stats().Retired
	next, err := upgrade(context.WithoutCancel(ctx), o.world, o.log)
	_, failed := errors.AsType[*succession.TakeoverError](err)
	switch {
	case failed:
		text := err.Error()
		if hint := takeoverHint(err); hint != "" {
			text += " (" + hint + ")"
		}
		return admin.Upgraded{}, admin.Refuse(http.StatusBadGateway, text+"; this one goes on, and nobody has noticed")
	case err != nil:
		return admin.Upgraded{}, admin.Refuse(http.StatusConflict, err.Error())
	}
	answer := admin.Upgraded{Serves: asProcess(next)}
	for _, p := range before {
		answer.Retired = append(answer.Retired, asProcess(p))
	}
	self := succession.Process{Node: o.world.line.Node(), PID: os.Getpid(), Version: buildVersion(), Left: o.world.line.Left()}
	answer.Retired = append(answer.Retired, asProcess(self))
	return answer, nil
}

func asProcess(p succession.Process) admin.Process {
	return admin.Process{Number: p.Node, PID: p.PID, Version: p.Version, Left: p.Left}
}

// bequeathSecrets tells a new process which secrets those are of now: a rotation or a
// reload may have changed what this process was started with.
func bequeathSecrets(line *succession.Line, room string, credentials *mint) {
	line.Bequeath("secrets", succession.Part{Estate: func() (succession.Bequest, error) {
		body, err := json.Marshal(printsOf(secrets{room, credentials.secrets()}))
		return succession.Bequest{Body: body}, err
	}})
}

// sameSecrets has a new process fail that has other secrets: nobody could come back to
// his room, and no relayed chat would go on.
func sameSecrets(line *succession.Line, s secrets) error {
	bequest, there := line.Inherited("secrets")
	if !there {
		return nil
	}
	var older prints
	if err := json.Unmarshal(bequest.Body, &older); err != nil {
		return fmt.Errorf("read what the older process has bequeathed: %w", err)
	}
	mine := printsOf(s)
	if older.Room != mine.Room {
		return &hinted{err: errors.New("ROOM_SECRET is another one than that of the process that serves"), hint: "put the old one back, or restart the server: then nobody finds back into his room"}
	}
	if len(older.TURN) > 0 && !slices.Contains(mine.TURN, older.TURN[0]) {
		return &hinted{err: errors.New("the secret by which TURN credentials are signed is not among TURN_SECRETS any more"), hint: "leave it after the new one for as long as TURN_CREDENTIAL_TTL"}
	}
	return nil
}

// prints tell secrets apart, and do not say them.
type prints struct {
	Room string
	TURN []string // newest first
}

func printsOf(s secrets) prints {
	print := func(secret string) string {
		sum := hmac.New(sha256.New, []byte(secret))
		sum.Write([]byte("wasmp2pchat succession 1"))
		return fmt.Sprintf("%x", sum.Sum(nil))
	}
	p := prints{Room: print(s.room)}
	for _, each := range s.turn {
		p.TURN = append(p.TURN, print(each))
	}
	return p
}

// untilRetired runs what only the process may do that serves: writing files that it
// shares with the others.
func untilRetired(line *succession.Line, serve func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		inner, stop := context.WithCancel(ctx)
		defer stop()
		line.WhenRetired(stop)
		err := serve(inner)
		if inner.Err() != nil {
			<-ctx.Done() // the other parts go on
		}
		return err
	}
}

// lineMetrics tell of the processes of this server.
func lineMetrics(line *succession.Line) prometheus.Collector {
	t := newTable(line.Stats)
	t.counters("upgrades_total", "New processes that were started to take over from the one that served, since the first one, by what came of it.", "result", func(s succession.Stats) map[string]uint64 {
		return map[string]uint64{"ok": uint64(s.Upgrades), "failed": uint64(s.Failed)}
	})
	t.gauge("retired_processes", "Older processes of this server that still have chats or connections.", func(s succession.Stats) int { return len(s.Retired) })
	t.gauges("retired_left", "What retired processes still keep, by the part of the server that does.", "part", func(s succession.Stats) map[string]int {
		all := map[string]int{"admin": 0, "lobby": 0, "relay": 0, "rooms": 0, "web": 0}
		for _, p := range s.Retired {
			for part, n := range p.Left {
				all[part] += n
			}
		}
		return all
	})
	return t
}
