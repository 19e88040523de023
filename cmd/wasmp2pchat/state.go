package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
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
		text, err := generatedSecret(cfg.StateDir, "turn-secret")
		if err != nil {
			return secrets{}, err
		}
		s.turn = []string{text}
	}
	return s, nil
}

// generatedSecret reads a secret from a file that only the owner can read, and
// makes it if it is not there.
func generatedSecret(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the folder
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
	var random [32]byte
	rand.Read(random[:]) // never fails
	text := hex.EncodeToString(random[:])
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", stateHint(fmt.Errorf("make the state folder: %w", err))
	}
	if err := durable.Write(path, []byte(text+"\n")); err != nil {
		return "", stateHint(fmt.Errorf("write a generated secret: %w", err))
	}
	return text, nil
}

func stateHint(err error) error {
	return &hinted{err: err, hint: "make " + prefix + "STATE_DIR a folder that this user can write to"}
}
