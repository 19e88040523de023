//go:build !linux

package lab

import (
	"context"
	"errors"
)

var errLinux = errors.New("only Linux has the network namespaces that a laboratory is made of")

// Available says why no laboratory can be built here.
func Available(bool) error { return errLinux }

// Run says why it cannot.
func Run(context.Context, Config) ([]Result, error) { return nil, errLinux }

// Clean says why there is nothing to remove.
func Clean(context.Context) (removed int, err error) { return 0, errLinux }
