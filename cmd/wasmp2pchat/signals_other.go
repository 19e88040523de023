//go:build !unix

package main

import "os"

// upgradeSignal brings nothing: there is no such signal here.
func upgradeSignal() <-chan os.Signal { return nil }
