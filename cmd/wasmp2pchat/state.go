package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/match"
)

// secrets is what the services sign with.
type secrets struct {
	room string
	turn []string // newest first
}

// loadSecrets takes the secrets from the settings; those that are not set live
// in STATE_DIR, where they are generated the first time.
func loadSecrets(cfg *config) (secrets, error) {
	s := secrets{room: cfg.RoomSecret.reveal()}
	for _, each := range cfg.TURN.Secrets {
		s.turn = append(s.turn, each.reveal())
	}
	if s.room == "" {
		text, err := generatedSecret(cfg.StateDir, "room-secret")
		if err != nil {
			return secrets{}, err
		}
		s.room = text
	}
	if len(s.turn) == 0 {
		keys, err := readTurnKeys(turnKeyFile(cfg.StateDir), time.Now())
		switch {
		case err != nil:
			return secrets{}, stateHint(err)
		case len(keys) > 0:
			s.turn = secretsOf(keys)
			return s, nil
		}
		text, err := makeSecret(turnKeyFile(cfg.StateDir))
		if err != nil {
			return secrets{}, err
		}
		s.turn = []string{text}
	}
	return s, nil
}

// openState is what the server has kept, its secrets and who is banned, and what it
// shares with the others of its fleet.
func openState(cfg *config, line *succession.Line, log *slog.Logger) (s secrets, bans *match.Bans, node *member, err error) {
	if s, err = loadSecrets(cfg); err != nil {
		return s, nil, nil, err
	}
	if err = sameSecrets(line, s); err != nil {
		return s, nil, nil, err
	}
	if node, err = joinFleet(cfg, log.With("svc", "fleet")); err != nil {
		return s, nil, nil, err
	}
	bans, err = openBans(cfg, s.room, node.bans(), log.With("svc", "match"))
	return s, bans, node, err
}

// generatedSecret reads a secret from a file that only the owner can read, and
// makes it if it is not there.
func generatedSecret(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	text, err := durable.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSecret(path)
	}
	if err != nil {
		return "", stateHint(fmt.Errorf("read a generated secret: %w", err))
	}
	found := strings.TrimSpace(string(text))
	if len(found) < minSecretBytes {
		return "", stateHint(fmt.Errorf("%s holds no secret", path))
	}
	return found, nil
}

// budgetFile is where the relay writes down what it has spent of its budget.
func budgetFile(cfg *config) string {
	return filepath.Join(cfg.StateDir, "turn-budget")
}

// makeSecret writes a new secret.
func makeSecret(path string) (string, error) {
	text := newSecret()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", stateHint(fmt.Errorf("make the state folder: %w", err))
	}
	if err := durable.Write(path, []byte(text+"\n")); err != nil {
		return "", stateHint(fmt.Errorf("write a generated secret: %w", err))
	}
	return text, nil
}

func newSecret() string {
	var random [32]byte
	rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:])
}

func stateHint(err error) error {
	return &hinted{err: err, hint: "make " + prefix + "STATE_DIR a folder that this user can write to"}
}
