package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthTimeout bounds the question; containers ask every few seconds.
const healthTimeout = 3 * time.Second

// healthCommand asks the server of the same settings whether it is ready. It
// is what the image's HEALTHCHECK runs.
func healthCommand(ctx context.Context, w world) error {
	fs := flags(w, "health", "[--env-file=FILE]")
	environ := withEnvFileFlag(fs, w.environ)
	if err := fs.Parse(w.args); err != nil {
		return err
	}
	cfg, _, err := loadConfig(environ())
	if err != nil {
		return err
	}
	if cfg.AdminAddr == "" {
		return &hinted{err: errors.New("nobody to ask"), hint: "set " + prefix + "ADMIN_ADDR"}
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	answer, err := askReady(ctx, cfg.AdminAddr)
	if err != nil {
		return fmt.Errorf("ask %s: %w", cfg.AdminAddr, err)
	}
	fmt.Fprintln(w.stdout, answer)
	return nil
}

// adminURL is where ADMIN_ADDR answers on this machine.
func adminURL(addr listenAddr) (string, error) {
	host, port, err := net.SplitHostPort(string(addr))
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// askReady asks /readyz; an answer other than 200 is an error.
func askReady(ctx context.Context, addr listenAddr) (string, error) {
	url, err := adminURL(addr)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return "", err
	}
	answer := strings.TrimSpace(string(text))
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("not ready: %s", answer)
	}
	return answer, nil
}
