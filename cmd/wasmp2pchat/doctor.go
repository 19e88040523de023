package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/doctor"
	"github.com/wasmp2pchat/wasmp2pchat/internal/durable"
)

// The exit codes of doctor, beside 0.
const (
	exitBroken   = 1 // something has to be mended
	exitNotAsked = 2 // nobody could be asked: bad arguments, or settings that cannot be read
)

// doctorCommand finds out why a server cannot be reached, or its relay not used,
// and prints what mends it.
func doctorCommand(ctx context.Context, w world) error {
	fs := flags(w, "doctor", "[--json] [--ca FILE] [--admin URL] [--env-file=FILE] [URL]\n\n"+doctorHelp)
	environ := withEnvFileFlag(fs, w.environ)
	asJSON := fs.Bool("json", false, "print JSON")
	ca := fs.String("ca", "", "PEM `file` of a private authority that is trusted, too")
	admin := fs.String("admin", "", "`URL` at which the server tells of itself; without a URL: that of ADMIN_ADDR")
	if err := fs.Parse(w.args); err != nil {
		return exitWith(exitNotAsked, err)
	}
	if fs.NArg() > 1 {
		return exitWith(exitNotAsked, &hinted{err: errors.New("doctor wants one URL"), hint: "flags come before it: wasmp2pchat doctor --json https://chat.example.org"})
	}
	cfg := doctor.Config{URL: fs.Arg(0)}
	err := errors.Join(examinesHost(&cfg, environ(), *admin), trustToo(&cfg, *ca))
	if err != nil {
		return exitWith(exitNotAsked, err)
	}
	report, err := doctor.Run(ctx, cfg)
	if err != nil {
		return exitWith(exitNotAsked, err)
	}
	if *asJSON {
		out := json.NewEncoder(w.stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		err = out.Encode(report)
	} else {
		err = report.WriteText(w.stdout)
	}
	if err == nil && report.Verdict == doctor.Fail {
		err = exitWith(exitBroken, nil)
	}
	return err
}

const doctorHelp = `Looks at a server as two visitors would, from this machine, in half a minute at most, and
says what works, what does not, and which command or line mends it. Without a URL it looks
at the server of the settings on this machine, and at what only the machine itself knows.
It exits with 0 if nothing has to be mended, 1 if something has, 2 if nobody could be asked.
docs/doctor.md has every cause with what it looks like.
`

// trustToo adds an authority to those of the system.
func trustToo(cfg *doctor.Config, file string) error {
	if file == "" {
		return nil
	}
	text, err := durable.Read(file)
	if err != nil {
		return err
	}
	if cfg.Roots, err = x509.SystemCertPool(); err != nil {
		cfg.Roots = x509.NewCertPool()
	}
	if !cfg.Roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return nil
}

// examinesHost has doctor look at this machine, too: if no URL was given, or where
// to ask the server.
func examinesHost(cfg *doctor.Config, environ []string, at string) error {
	if cfg.URL != "" && at == "" {
		return nil
	}
	settings, _, err := loadConfig(environ)
	if err != nil {
		return err
	}
	if at == "" && settings.AdminAddr != "" {
		at = "http://" + reachableText(string(settings.AdminAddr))
	}
	cfg.Facts = askFacts(at, settings.AdminToken.reveal())
	if cfg.URL == "" {
		cfg.URL = ownURL(settings)
		cfg.Host = &doctor.Host{Own: ownAddresses(), Public: settings.PublicIPs, Listens: listening(settings), Proxied: proxiedElsewhere(settings)}
	}
	return nil
}

// ownURL is where people find the page of this server.
func ownURL(cfg *config) string {
	host, port, _ := net.SplitHostPort(reachableText(string(cfg.Addr)))
	if cfg.Domain != "" {
		host = cfg.Domain
	}
	if cfg.PublicPort != 0 {
		port = strconv.Itoa(int(cfg.PublicPort))
	}
	if cfg.hasTLS() {
		return "https://" + net.JoinHostPort(host, port)
	}
	return "http://" + net.JoinHostPort(host, port)
}

// reachableText is a listen address with a host that can be dialled.
func reachableText(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// ownAddresses are those of the interfaces.
func ownAddresses() (list []netip.Addr) {
	addrs, _ := net.InterfaceAddrs() // without them the settings count
	for _, addr := range addrs {
		if prefix, err := netip.ParsePrefix(addr.String()); err == nil && !prefix.Addr().IsLoopback() && !prefix.Addr().IsLinkLocalUnicast() {
			list = append(list, prefix.Addr().Unmap())
		}
	}
	return list
}

// listening is where the server listens and could not do without.
func listening(cfg *config) []doctor.Listen {
	list := []doctor.Listen{{Setting: "ADDR", Network: "tcp", Addr: string(cfg.Addr)}}
	add := func(setting, network string, addr listenAddr) {
		if addr != "" {
			list = append(list, doctor.Listen{Setting: setting, Network: network, Addr: string(addr)})
		}
	}
	add("ADMIN_ADDR", "tcp", cfg.AdminAddr)
	if len(cfg.TURN.UDPAddr) > 0 {
		add("TURN_UDP_ADDR", "udp", cfg.TURN.UDPAddr[0])
	}
	add("TURN_TCP_ADDR", "tcp", cfg.TURN.TCPAddr)
	add("TURN_TLS_ADDR", "tcp", listenAddr(cfg.turnTLSAddr()))
	return list
}

// askFacts asks a server what it knows of itself, and shows it the token that its
// admin API wants.
func askFacts(url, token string) func(context.Context) (*doctor.Facts, error) {
	client := &admin.Client{URL: url, Token: token, HTTP: http.DefaultClient}
	return func(ctx context.Context) (*doctor.Facts, error) {
		if url == "" {
			return nil, errors.New("ADMIN_ADDR is off")
		}
		facts := new(doctor.Facts)
		if err := client.Do(ctx, http.MethodGet, "/api/doctor", nil, facts); err != nil {
			return nil, err
		}
		return facts, nil
	}
}

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error // nil: everything has been said
}

func exitWith(code int, err error) error { return &exitError{code, err} }

func (e *exitError) Error() string {
	if e.err == nil {
		return "exit " + strconv.Itoa(e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitCode is what the program ends with, and whether the error is to be printed.
func exitCode(err error) (code int, silent bool) {
	exit, ok := errors.AsType[*exitError](err)
	if !ok {
		return 1, false
	}
	return cmp.Or(exit.code, 1), exit.err == nil
}
