//go:build !unix

package main

// maxConnections is unlimited where descriptors are.
func maxConnections() int { return 0 }
