// Package durable reads and writes the small files of STATE_DIR: secrets, bans, what
// was spent of a budget.
//
// It promises that whatever happens, a full disk or a power failure, a file is
// whole: the old one or the new one. That there is one writer it leaves to its
// callers.
package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// MaxBytes bounds a file that Read reads.
const MaxBytes = 64 << 20

// Read reads a file of Write, or another that an operator has named: links are
// followed. More than MaxBytes are an error.
func Read(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if len(text) > MaxBytes {
		err = fmt.Errorf("%s is longer than %d bytes", path, MaxBytes)
	}
	return text, errors.Join(err, f.Close())
}

// Write puts a file with mode 0600 beside its place and moves it there once
// the disk has it. The folder must be there.
func Write(path string, text []byte) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	name := filepath.Base(path)
	err = writeSynced(root, name+".new", text)
	if err == nil {
		err = root.Rename(name+".new", name)
	}
	return errors.Join(err, root.Close())
}

// writeSynced returns when the disk has the text.
func writeSynced(root *os.Root, name string, text []byte) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
