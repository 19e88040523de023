package main

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// mint makes TURN credentials with the newest secret, for the URLs that clients
// can come by. Both may change while the server serves.
type mint struct {
	minter atomic.Pointer[turnsvc.Minter]

	mu     sync.Mutex // guards issuer
	issuer turnsvc.Issuer
}

func newMint(issuer turnsvc.Issuer) *mint {
	m := &mint{issuer: issuer}
	m.minter.Store(issuer.Minter())
	return m
}

// setSecret makes the newest secret the one that signs.
func (m *mint) setSecret(secret string) {
	m.change(func(issuer *turnsvc.Issuer) { issuer.Secret = secret })
}

// setURLs makes these the ones that clients are told.
func (m *mint) setURLs(urls []string) {
	m.change(func(issuer *turnsvc.Issuer) { issuer.URLs = urls })
}

func (m *mint) change(how func(*turnsvc.Issuer)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	how(&m.issuer)
	m.minter.Store(m.issuer.Minter())
}

// Who has minted for a side of a room.
const (
	lobbySide = "m"
	roomSide  = "s"
)

// iceServers mints for the rooms of one service. Its name is part of the side:
// who is first in the lobby may be second in signaling. Credentials carry the
// names of rooms, which are known before there are ids.
func (m *mint) iceServers(service string) func(string, wire.Side, bool, netip.Addr) ([]wire.ICEServer, time.Time) {
	return func(room string, side wire.Side, hides bool, partner netip.Addr) ([]wire.ICEServer, time.Time) {
		return m.minter.Load().RoomServers(turnsvc.Claims{
			Room: roomkey.Name(room), Side: service + string(side), Hidden: hides, Partner: []netip.Addr{partner},
		})
	}
}

// reloader reads the certificate and the TURN secrets again upon each SIGHUP: those of a file
// (TURN_SECRETS_FILE, or the one in STATE_DIR), for a process cannot be given
// another environment. What cannot be read changes nothing.
func reloader(w world, relay *turnsvc.Server, credentials *mint, f *front, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-w.renew:
				f.certificate.Renew()
				continue
			case <-w.hangup:
			}
			if f.certificate != nil {
				f.certificate.Reload()
			}
			if err := reload(w, relay, credentials); err != nil {
				log.Error("reload", "err", err.Error())
			} else {
				log.Info("turn secrets reloaded")
			}
		}
	}
}

func reload(w world, relay *turnsvc.Server, credentials *mint) error {
	cfg, _, err := loadConfig(w.environ)
	if err != nil {
		return err
	}
	secrets, err := loadSecrets(cfg)
	if err != nil {
		return err
	}
	if err := relay.SetSecrets(secrets.turn); err != nil {
		return err
	}
	credentials.setSecret(secrets.turn[0])
	return nil
}
