package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
)

// manager is the service manager that has started the program, if there is one:
// what it has passed, and what it wants to hear. The zero value is none.
type manager struct {
	passed   []*os.File         // sockets, sd_listen_fds(3)
	tell     func(state string) // sd_notify(3); nil: nobody listens
	watchdog time.Duration      // it ends who says nothing for so long; 0: it does not
}

// serviceManager asks the environment of the process, and hides it from those
// that the process starts.
func serviceManager() manager {
	m := manager{passed: activation.Files(true), tell: func(state string) {
		_, _ = daemon.SdNotify(false, state) // who does not listen starts us again
	}}
	m.watchdog, _ = daemon.SdWatchdogEnabled(true) // what cannot be read asks for nothing
	return m
}

// say tells the manager something, if there is one.
func (m manager) say(state string) {
	if m.tell != nil {
		m.tell(state)
	}
}

// succeeded tells the manager which process serves from now on; it hears that only from
// the one that it knows as the main one. The new process has a whole period of the
// watchdog until it has to say something itself.
func (m manager) succeeded(pid int) {
	m.say(fmt.Sprintf("MAINPID=%d\n%s\n%s", pid, daemon.SdNotifyReady, daemon.SdNotifyWatchdog))
}

// serve tells the manager that the server serves, from then on that it lives, and
// at last that it stops. Alive returns when every service has answered: one that
// hangs keeps it waiting, and the manager starts the server again. Of a process that
// succeeds another one the older one tells it, which is the main one until then; and
// a retired one has nothing to say.
func (m manager) serve(line *succession.Line, alive func()) func(context.Context) error {
	return func(ctx context.Context) error {
		line.Serving()
		if m.tell == nil {
			<-ctx.Done()
			return nil
		}
		if line.Elder() == "" {
			m.tell(daemon.SdNotifyReady)
		}
		defer func() {
			if line.Current() == line.Node() {
				m.tell(daemon.SdNotifyStopping)
			}
		}()
		if m.watchdog <= 0 {
			<-ctx.Done()
			return nil
		}
		tick := time.NewTicker(m.watchdog / 2)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-line.Retired():
				<-ctx.Done()
				return nil
			case <-tick.C:
				alive()
				m.tell(daemon.SdNotifyWatchdog)
			}
		}
	}
}
