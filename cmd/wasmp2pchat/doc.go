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
//	wasmp2pchat lab           pairs of NATs in network namespaces: how do people connect?
//	wasmp2pchat version       what was built
//
// It is configured by environment variables that begin with WASMP2PCHAT_, or by a
// file of them; config.go has them all, and reload.go changes some while the server
// serves. This is the only package that knows everybody: serve.go is the page where
// everything meets.
//
// Where things are:
//
//	main.go          what the arguments say
//	serve.go         the server on one page; beside it, in that order
//	  upgrade.go     the process before this one, and the one after it; signals_unix.go,
//	                 signals_other.go
//	  kin.go         rooms of the other processes of this server; kinadmin.go: the operator's
//	                 view of them
//	  state.go       secrets and bans that are kept
//	  fleet.go       what is shared with other nodes: fleetlobby.go, fleetrelay.go,
//	                 fleetmetrics.go; node.go: what a node is called
//	  front.go       the public port, with tls.go, addresses.go, sockets.go and entrance.go
//	  relay.go       STUN and TURN, with mint.go, warm.go and turnkeys.go; relayline.go:
//	                 one with those of the processes before and after; fleetrelay.go:
//	                 those of other nodes
//	  timeline.go    what happens in rooms, in the words of timelines
//	  lobbyline.go   the lobby among those of older and newer processes
//	  fairuse.go     limits of visitors, and descriptors.go (_unix, _other): what they share
//	  web.go         what answers on the public port, by roles.go: check.go, probes.go, turnapi.go, version.go
//	  operator.go    what answers on ADMIN_ADDR: admin.go, facts.go, metrics.go,
//	                 metrictable.go, frontmetrics.go
//	  stages.go      start and end; manager.go: systemd is told; logger.go
//	config.go        all settings; settings.go reads them, envfile.go from a file, units.go
//	                 their units, reload.go again, with kinsettings.go in all processes of
//	                 this server; ports.go: where they listen
//	init.go          init: questions.go asks, plan.go decides, artifact.go fills in forms,
//	                 install.go puts them into place, group_unix.go and group_other.go
//	chat.go          and for each other command a file or a few: loadtest.go (loadchat.go,
//	                 loadreport.go), credentials.go, admincmd.go (adminverbs.go), configcmd.go,
//	                 health.go, doctor.go, lab.go
package main
