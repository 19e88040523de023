//go:build netns

package ebpf_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane"
	"github.com/wasmp2pchat/wasmp2pchat/turnsvc/dataplane/ebpf"
)

// TestMain is also the children of the tests.
func TestMain(m *testing.M) {
	try := flag.Bool("try", false, "open a plane and print its error")
	serve := flag.String("serve", "", "relay at this address, and print what each plane has carried for each line that is read")
	plane := turnsvc.PlaneEBPF
	flag.TextVar(&plane, "plane", plane, "what carries the datagrams of -serve")
	flag.Parse()
	switch {
	case *try:
		p, err := ebpf.Open(dataplane.Options{Bitrate: -1, MaxChannels: 10, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			err = p.Close()
		}
		fmt.Fprintln(os.Stdout, "opened:", err)
	case *serve != "":
		if err := relay(*serve, plane, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	default:
		m.Run()
	}
}

const secret = "of the tests"

// relay is a server until its input ends.
func relay(address string, plane turnsvc.DataPlane, in io.Reader, out io.Writer) error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := turnsvc.Listen(ctx, turnsvc.Config{
		Secrets: []string{secret}, UDPAddrs: []string{":3478"}, PublicIPs: []netip.Addr{netip.MustParseAddr(address)},
		Peers: turnsvc.PeersPublic, DataPlane: plane, MaxBitrate: turnsvc.NoLimit,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	for lines := bufio.NewScanner(in); lines.Scan(); {
		if err := json.NewEncoder(out).Encode(s.Stats().Carried); err != nil {
			return err
		}
	}
	stop()
	return errors.Join(<-served)
}
