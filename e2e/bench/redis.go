//go:build linux

package main

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/bench/process"
	"github.com/wasmp2pchat/wasmp2pchat/internal/freeport"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

// store is a redis-server of our own, or a valkey-server where there is none.
type store struct {
	url, version string
	cmd          *exec.Cmd

	visitors int // who were made up: who has met somebody does not meet him again soon
}

var errNoStore = errors.New("there is no redis-server and no valkey-server here")

// startStore starts one that keeps nothing, on the given cores. It listens when it
// answers: whoever connects waits for that.
func startStore(ctx context.Context, at *unix.CPUSet) (*store, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if program, err = exec.LookPath("valkey-server"); err != nil {
			return nil, errNoStore
		}
	}
	version, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return nil, err
	}
	port, err := freeport.Find(ctx)
	if err != nil {
		return nil, err
	}
	s := &store{url: "redis://127.0.0.1:" + strconv.Itoa(port)}
	s.version, _, _ = strings.Cut(string(version), " sha=")
	s.cmd = exec.CommandContext(ctx, program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--loglevel", "warning")
	return s, process.Start(at, s.cmd)
}

func (s *store) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// cpu is what it has used.
func (s *store) cpu() (time.Duration, error) { return process.CPUTime(s.cmd.Process.Pid) }

// reached waits until Redis answers.
func reached(ctx context.Context, db *redisdb.DB) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !db.Up() {
		select {
		case <-ctx.Done():
			return db.Reason()
		case <-tick.C:
		}
	}
	return nil
}

// commands is how many commands Redis has done, those of scripts included, and how
// many clients have sent.
func commands(ctx context.Context, db *redisdb.DB) (done, sent float64, err error) {
	c := db.Client()
	text, err := c.Do(ctx, c.B().Info().Section("commandstats").Build()).ToString()
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(text) {
		name, rest, found := strings.Cut(strings.TrimSpace(line), ":calls=")
		if !found {
			continue
		}
		calls, _, _ := strings.Cut(rest, ",")
		n, err := strconv.ParseFloat(calls, 64)
		if err != nil {
			return 0, 0, err
		}
		done += n
		switch name {
		case "cmdstat_evalsha", "cmdstat_eval", "cmdstat_xread":
			sent += n
		}
	}
	return done, sent, nil
}
