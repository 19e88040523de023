//go:build !unix

package main

import "io/fs"

// readingGroup is empty: there is no systemd here.
func readingGroup(fs.FileInfo) string { return "" }
