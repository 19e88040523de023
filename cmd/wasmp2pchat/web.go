package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/succession"
	"github.com/wasmp2pchat/wasmp2pchat/wasm"
)

// The bounds of one HTTP request.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = time.Minute // a slow phone may take this long for the client
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 8 << 10
	webGrace       = 5 * time.Second // for requests under way when the server stops
)

// httpServer is a listener and what answers on it. The zero value is off.
type httpServer struct {
	listener net.Listener
	server   *http.Server
	open     atomic.Int64 // connections that are not WebSockets
	retired  atomic.Bool  // a newer process serves: connections end with the next answer
}

// openAdmin opens the listener of ADMIN_ADDR, if that is on. It is the last one of
// the server: a socket that was passed and is left over is a fault.
func openAdmin(ctx context.Context, cfg *config, sockets *sockets, handler http.Handler, log *slog.Logger) (*httpServer, error) {
	if cfg.AdminAddr == "" {
		return &httpServer{}, sockets.allTaken()
	}
	listener, err := sockets.Listen(ctx, "tcp", string(cfg.AdminAddr))
	if err != nil {
		return nil, listenHint(err, "ADMIN_ADDR")
	}
	return newHTTPServer(listener, handler, log), sockets.allTaken()
}

func newHTTPServer(listener net.Listener, handler http.Handler, log *slog.Logger) *httpServer {
	s := &httpServer{listener: listener}
	s.server = &http.Server{
		Handler:           s.leaving(handler),
		ReadHeaderTimeout: headerTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers cause it
		ConnState:         s.count,
	}
	return s
}

// count counts connections, until they are WebSockets.
func (s *httpServer) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.open.Add(1)
	case http.StateHijacked, http.StateClosed:
		s.open.Add(-1)
	}
}

// leaving has clients of a retired process come back to the one that serves: their
// connection ends with the answer.
func (s *httpServer) leaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.retired.Load() {
			w.Header().Set("Connection", "close") // of HTTP/2, net/http makes a GOAWAY of it
		}
		next.ServeHTTP(w, r)
	})
}

// part is what becomes of it when there is a newer process. A connection that nobody
// uses has a while to bring one more request, whose answer ends it.
func (s *httpServer) part() succession.Part {
	return succession.Part{
		Retire: func() {
			s.retired.Store(true)
			if s.server != nil {
				time.AfterFunc(webGrace, func() { s.server.SetKeepAlivesEnabled(false) })
			}
		},
		Left: func() int { return int(s.open.Load()) },
	}
}

// routes is what answers where on the public port, as far as it is the part of
// this process.
func routes(cfg *config, lobby, rooms, check, probes http.Handler, turn *turnAPI, page *wasm.Page) http.Handler {
	mux := http.NewServeMux()
	if cfg.plays(roleMatch) {
		mux.Handle("GET /matchmaking", lobby)
	}
	if cfg.plays(roleSignal) {
		mux.Handle("GET /signaling", rooms)
	}
	if cfg.plays(roleWeb) {
		mux.Handle("GET /check/servers", check)
		mux.Handle("/", page)
	}
	mux.Handle("/doctor/probes", probes)
	mux.Handle("/doctor/probes/", probes)
	mux.Handle("GET /.ok", empty())
	if turn != nil {
		mux.Handle("GET /turn", turn)
		mux.Handle("OPTIONS /turn", turn)
	}
	mux.Handle("GET /version", versionHandler(page))
	return mux
}

// serve answers until ctx ends, then lets requests under way finish.
func (s *httpServer) serve(ctx context.Context) error {
	if s.server == nil {
		<-ctx.Done()
		return nil
	}
	drained := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), webGrace)
		defer cancel()
		drained <- s.server.Shutdown(ctx)
	})
	defer stop()
	err := s.server.Serve(s.listener)
	if !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil { // at the end its door may close the listener first
		return err
	}
	if err := <-drained; err != nil {
		return s.server.Close() // who is slower than webGrace is cut
	}
	return nil
}

// url is where a person finds it on this machine.
func (s *httpServer) url() string {
	if s.listener == nil {
		return "off"
	}
	return "http://" + reachable(s.listener.Addr(), "localhost")
}

// reachable is an address with a host that can be dialled: name, if it is all
// addresses of this machine.
func reachable(at net.Addr, name string) string {
	host, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return at.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = name
	}
	return net.JoinHostPort(host, port)
}

// listenHint says what to do about an address that cannot be listened on.
func listenHint(err error, name string) error {
	return &hinted{err: err, hint: listenAdvice(err, name)}
}

func listenAdvice(err error, name string) string {
	hint := "set " + prefix + name + " to another address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another program listens there: stop it, or " + hint
	case errors.Is(err, syscall.EACCES):
		return "ports below 1024 need CAP_NET_BIND_SERVICE: run sudo setcap cap_net_bind_service=+ep " + program() + ", or " + hint
	}
	return hint
}

// program is where this program is, for a command that its operator types.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return "wasmp2pchat"
	}
	return path
}

// empty answers 200 with nothing, as Ayame's server does on /.ok.
func empty() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
}

// versionHandler tells which build this is and which client it serves.
func versionHandler(page *wasm.Page) http.Handler {
	text, err := json.Marshal(map[string]string{"version": buildVersion(), "client": page.Version()})
	if err != nil {
		panic(fmt.Sprintf("wasmp2pchat: the version does not marshal: %v", err))
	}
	text = append(text, '\n')
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = w.Write(text) // the client has gone
	})
}
