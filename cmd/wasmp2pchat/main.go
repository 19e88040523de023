package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	environ, elder, err := succession.Take(os.Environ())
	if err == nil {
		err = run(ctx, world{
			args: os.Args[1:], environ: environ, hangup: hangup, replace: upgradeSignal(), elder: elder, heir: heirConfig(environ),
			stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, manager: serviceManager(),
		})
	}
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	code, silent := exitCode(err)
	if !silent {
		fmt.Fprintln(os.Stderr, "wasmp2pchat:", err)
	}
	if hint, ok := errors.AsType[*hinted](err); ok {
		fmt.Fprintln(os.Stderr, "wasmp2pchat: hint:", hint.hint)
	}
	os.Exit(code)
}

// world is what the program sees of the outside, so that a test can be it.
type world struct {
	args    []string
	environ []string
	hangup  <-chan os.Signal // SIGHUP: read the settings and the certificate again
	replace <-chan os.Signal // SIGUSR2: start the program anew, and hand over to it
	renew   <-chan struct{}  // get another certificate now; nil: when it is due
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer
	manager manager
	elder   *os.File           // a socket to the process that this one succeeds; nil: none
	heir    *succession.Config // how the next process is started; nil: there can be none
	line    *succession.Line   // this process among those of the server; nil: it is alone
}

// run is the program: it does what the arguments say.
func run(ctx context.Context, w world) error {
	command := "serve"
	if len(w.args) > 0 && !strings.HasPrefix(w.args[0], "-") {
		command, w.args = w.args[0], w.args[1:]
	}
	switch command {
	case "serve":
		return serveCommand(ctx, w)
	case "chat":
		return chatCommand(ctx, w)
	case "loadtest":
		return loadtestCommand(ctx, w)
	case "init":
		return initCommand(ctx, w)
	case "credentials":
		return credentialsCommand(w)
	case "config":
		return configCommand(w)
	case "admin":
		return adminCommand(ctx, w)
	case "health":
		return healthCommand(ctx, w)
	case "doctor":
		return doctorCommand(ctx, w)
	case "lab":
		return labCommand(ctx, w)
	case "version":
		return versionCommand(w)
	case "help":
		fmt.Fprint(w.stdout, usage)
		return nil
	default:
		return &hinted{err: fmt.Errorf("unknown command %q", command), hint: "wasmp2pchat help lists them"}
	}
}

const usage = `wasmp2pchat lets two strangers chat, browser to browser.

  wasmp2pchat [serve]        the server (default)
  wasmp2pchat init           sets a machine up: .env, systemd or compose, firewall
  wasmp2pchat chat URL       a peer in the terminal
  wasmp2pchat loadtest URL   many peers, and how the server copes
  wasmp2pchat credentials    mint or check TURN credentials
  wasmp2pchat admin          see and change what a running server does
  wasmp2pchat config         the effective settings
  wasmp2pchat health         is the server on this machine ready?
  wasmp2pchat doctor [URL]   why does it not work, and what mends it?
  wasmp2pchat lab            pairs of NATs in network namespaces: how do people connect?
  wasmp2pchat version        what was built

Settings are environment variables, or stand in a file: --env-file=FILE.
wasmp2pchat config lists them.
`

// flags returns a flag set that prints its usage where the world reads it.
func flags(w world, name, synopsis string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(w.stderr)
	fs.Usage = func() {
		fmt.Fprintf(w.stderr, "usage: wasmp2pchat %s %s\n", name, synopsis)
		fs.PrintDefaults()
	}
	return fs
}

// hinted is an error with what to do about it, printed on a line of its own.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }
