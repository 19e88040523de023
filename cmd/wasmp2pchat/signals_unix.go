//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// upgradeSignal brings SIGUSR2.
func upgradeSignal() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	return signals
}
