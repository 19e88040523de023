// Command wasmp2pchat lets two strangers chat, browser to browser: it serves
// the page, pairs visitors, introduces them, and relays what cannot go
// directly.
//
//	wasmp2pchat [serve]       the server (default)
//	wasmp2pchat init          sets a machine up: .env, systemd or compose, firewall
//	wasmp2pchat chat URL      a peer in the terminal
//	wasmp2pchat loadtest URL  many peers, and how the server copes
//	wasmp2pchat credentials   mint or check TURN credentials
//	wasmp2pchat admin         see and change what a running server does
//	wasmp2pchat config        the effective settings
//	wasmp2pchat health        is the server on this machine ready?
//	wasmp2pchat doctor [URL]  why does it not work, and what mends it?
//	wasmp2pchat version       what was built
//
// It is configured by environment variables that begin with WASMP2PCHAT_, or by a
// file of them; config.go has them all, and reload.go changes some while the server
// serves. This is the only package that knows everybody: serve.go is the page where
// everything meets.
package main
