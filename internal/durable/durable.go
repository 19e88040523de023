// Package durable writes the small files of STATE_DIR: secrets, bans, what was
// spent of a budget.
//
// It promises that whatever happens, a full disk or a power failure, a file is
// whole: the old one or the new one. That there is one writer it leaves to its
// callers.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

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
