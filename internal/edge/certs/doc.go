// Package certs keeps the certificate of this server: from files that somebody
// else renews, or from a certificate authority by ACME (RFC 8555).
//
// It promises that the next handshake has the newest good certificate and that
// nobody is cut when it changes; that a bad new pair of files is told and the
// old one stays; that a server without a certificate starts and serves what
// needs none; and that no mistake, no crash and no loop of restarts asks a
// certificate authority more often than once a minute, then every two, up to
// once an hour, or than the authority itself allows.
//
//	files   read ─▶ good? ─▶ in use ─▶ every 5 s: changed? ─▶ good? swap : tell, keep
//	acme    stored? ─▶ in use ─▶ two thirds of its life later ─┐
//	          └ no ─────────────────────────────────────────▶ does the name point here?
//	                          tell, wait 1 min … 1 h ◀─ no ──┘  └ yes ─▶ order ─▶ store ─▶ in use
//
// The listeners, what h2 and TURN do with the handshake, and the page that
// strangers are redirected to it leaves to its callers.
package certs
