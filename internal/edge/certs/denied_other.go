//go:build !unix

package certs

// denied has nothing to add where there are no modes.
func denied(_ string, err error) error { return err }
