package main

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wasmp2pchat/wasmp2pchat/internal/wsconn"
	"github.com/wasmp2pchat/wasmp2pchat/match"
	"github.com/wasmp2pchat/wasmp2pchat/signal"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// reloader reads the settings again upon each SIGHUP, of this process or of another one
// of the server, and changes those that are live while the server serves. A process
// cannot be given another environment, so what changes is files: that of ENV_FILE, those
// of secrets, in STATE_DIR too, and the certificate.
type reloader struct {
	world       world
	node        *member // nil: it is alone
	level       *slog.LevelVar
	relay       *turnsvc.Server
	credentials *mint
	front       *front
	guard       *wsconn.Guard
	lobby       *match.Lobby
	rooms       *signal.Rooms
	others      []func(*config) // are told what the settings are by now
	kin         *tidings        // nil: there is no other process
	refresh     func()          // reads the secrets in STATE_DIR again, and nothing else
	log         *slog.Logger

	running config  // what the services go by; touched by serve alone
	secrets secrets // the same

	refused atomic.Bool  // the last time nothing was changed
	at      atomic.Int64 // when the settings were read last and used, in seconds since 1970
}

// serve waits for signals, and for what other processes tell, until ctx ends. Older
// ones are told first of all: this process has just read everything.
func (r *reloader) serve(ctx context.Context) error {
	r.at.Store(time.Now().Unix())
	if r.world.line.Elder() != "" {
		r.kin.tell(toldSettings)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.world.renew:
			r.front.certificate.Renew()
		case <-r.world.replace:
			_, _ = upgrade(ctx, r.world, r.log) // the log has what has come of it
		case <-r.kin.hearSecrets():
			r.refresh()
		case <-r.kin.hearSettings():
			r.again()
		case <-r.world.hangup:
			if r.again() || r.kin.isRetired() { // whose version may be too old for them
				r.kin.tell(toldSettings)
			}
		}
	}
}

// again reads the settings and the certificate again, and says whether the settings are
// good. A retired process shows nobody its certificate.
func (r *reloader) again() bool {
	if r.kin.isRetired() {
		return r.follow()
	}
	if r.front.certificate != nil {
		r.front.certificate.Reload()
	}
	return r.reload()
}

// follow is reload in a retired process. What needs a restart is no matter here, and
// what has changed is said by the process that serves.
func (r *reloader) follow() bool {
	changes, err := r.change()
	r.refused.Store(err != nil)
	if err != nil {
		for _, fault := range faultsOf(err) {
			r.log.Warn("a retired process keeps its settings", "fault", fault.Error())
		}
		r.refresh()
		return false
	}
	r.at.Store(time.Now().Unix())
	r.level.Set(r.running.Log.Level)
	live := slices.DeleteFunc(changes, func(c change) bool { return !c.live })
	r.log.Debug("a retired process has read the settings again", "changed", len(live))
	return true
}

// reload reads everything again. If anything is wrong nothing is changed, and it is
// false.
func (r *reloader) reload() bool {
	changes, err := r.change()
	r.refused.Store(err != nil)
	if err != nil {
		for _, fault := range faultsOf(err) {
			r.log.Warn("settings not reloaded", "fault", fault.Error())
		}
		return false
	}
	r.at.Store(time.Now().Unix())
	was := r.level.Level()
	r.level.Set(min(was, r.running.Log.Level)) // to be heard by both
	waiting := 0
	for _, c := range changes {
		if c.live {
			r.log.Info("setting changed", "name", c.name, "was", c.was, "is", c.is)
		} else {
			waiting++
			r.log.Warn("setting needs a restart", "name", c.name, "was", c.was, "is", c.is)
		}
	}
	r.log.Info("settings reloaded", "changed", len(changes)-waiting, "need_restart", waiting)
	r.level.Set(r.running.Log.Level)
	return true
}

// change finds out what is another thing by now, and changes what is live.
func (r *reloader) change() ([]change, error) {
	retired := r.kin.isRetired()
	load := loadConfig
	if retired {
		load = loadConfigOfNewer
	}
	next, list, err := load(r.world.environ)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		if s.over != "" && !retired {
			r.log.Warn("the environment wins over the file of settings", "name", s.name, "file", s.over)
		}
	}
	cfg := r.running
	changes := cfg.take(list)
	if wrong := cfg.faults(); len(wrong) > 0 { // what is live does not go with what needs a restart
		return nil, faults(wrong)
	}
	keys, err := loadSecrets(&cfg)
	if err != nil {
		return nil, err
	}
	if len(next.TURN.Secrets) == 0 && !slices.Equal(keys.turn, r.secrets.turn) && !changed(changes, turnSecrets) {
		changes = append(changes, change{turnSecrets, "[redacted]", "changed", true})
	}
	if err := r.relay.SetLimits(r.kin.limits(&cfg, r.relay)); err != nil {
		return nil, err
	}
	if err := r.relay.SetSecrets(keys.turn); err != nil {
		return nil, err
	}
	r.credentials.setSecrets(keys.turn)
	r.lobby.SetRules(matchRules(&cfg), fairUse(&cfg))
	r.lobby.SetMaxMessage(int(cfg.WS.MaxMessage))
	r.rooms.SetMaxMessage(int(cfg.WS.MaxMessage))
	r.guard.SetLimits(webSocketLimits(&cfg, r.node, r.log))
	r.front.setLimits(&cfg)
	for _, take := range r.others {
		take(&cfg)
	}
	r.running, r.secrets = cfg, keys
	return changes, nil
}

const turnSecrets = prefix + "TURN_SECRETS"

// change is a setting that is not what it was. Of secrets it says no more.
type change struct {
	name, was, is string
	live          bool
}

func changed(changes []change, name string) bool {
	return slices.ContainsFunc(changes, func(c change) bool { return c.name == name })
}

// take takes over the live ones of other settings, and says which differ.
func (c *config) take(others []setting) (changes []change) {
	for i, s := range c.settings() {
		other := others[i]
		if reflect.DeepEqual(s.value.Interface(), other.value.Interface()) {
			continue
		}
		found := change{s.name, s.text(), other.text(), s.live}
		if s.isSecret() {
			found.is = "changed"
		}
		changes = append(changes, found)
		if s.live {
			s.value.Set(other.value)
		}
	}
	return changes
}

// faultsOf are what is wrong, one by one.
func faultsOf(err error) []error {
	if all, ok := errors.AsType[faults](err); ok {
		return all
	}
	return []error{err}
}

// metrics tell whether the settings of the files are those that count.
func (r *reloader) metrics() prometheus.Collector {
	t := newTable(func() *reloader { return r })
	t.gauge("config_last_reload_successful", "0 if SIGHUP found a fault in the settings, and nothing was changed; the log says which.", func(r *reloader) int { return oneIf(!r.refused.Load()) })
	t.gauge("config_last_reload_success_timestamp_seconds", "When the settings were read that count, in seconds since 1970.", func(r *reloader) int { return int(r.at.Load()) })
	return t
}
