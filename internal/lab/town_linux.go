package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// readyTimeout bounds how long the server may take to start.
const readyTimeout = 20 * time.Second

// town is a laboratory with a server in it.
type town struct {
	pair   Pair
	dir    string // what is written here
	lab    *natlab.Lab
	log    tail
	exited chan struct{} // closed when the server has ended; nil: it was not started
	stop   context.CancelFunc
	raze   func() error // removes the laboratory, whatever has ended
}

// newTown builds what a pair needs, and waits until the server is ready.
func (r *run) newTown(ctx context.Context, p Pair, dir string) (*town, error) {
	a, b := p.A.routers(), p.B.routers()
	lab, err := natlab.New(ctx, a.home, b.home)
	if err != nil {
		return nil, err
	}
	t := &town{pair: p, dir: dir, lab: lab, raze: lab.Close}
	err = t.shape(ctx, [2]routers{a, b})
	if err == nil {
		err = t.serve(ctx, r)
	}
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// shape makes of the laboratory what the pair wants.
func (t *town) shape(ctx context.Context, people [2]routers) error {
	if t.pair.Cloud {
		if err := t.lab.HideServer(ctx, t.lab.Server().Addr(), natlab.HairpinLost); err != nil {
			return err
		}
	}
	if t.pair.OneNAT {
		if err := t.lab.Share(ctx); err != nil {
			return err
		}
	}
	for i, who := range people {
		side := natlab.Side(i)
		if who.family != natlab.IPv4 {
			if err := t.lab.SetFamily(ctx, side, who.family); err != nil {
				return err
			}
		}
		if who.carrier != "" {
			if err := t.lab.AddCarrier(ctx, side, who.carrier); err != nil {
				return err
			}
		}
		if err := t.worsen(ctx, side); err != nil {
			return err
		}
	}
	addrs := t.lab.Server().Addrs()[:1]
	if t.pair.Cloud {
		addrs[0] = t.lab.ServerOutside()
	} else {
		addrs = append(addrs, t.lab.Server().Addrs()[2]) // the first of each family
	}
	return t.lab.SetName(domain, addrs...)
}

// worsen makes the path of a side worse.
func (t *town) worsen(ctx context.Context, side natlab.Side) error {
	if t.pair.Loss > 0 {
		if err := t.lab.SetLoss(ctx, side, t.pair.Loss); err != nil {
			return err
		}
	}
	if t.pair.Delay > 0 {
		return errors.Join(t.lab.SetDelay(ctx, side, t.pair.Delay), t.lab.SetJitter(ctx, side, t.pair.Jitter))
	}
	return nil
}

// serve starts the server, with the settings that everybody has who has a domain.
func (t *town) serve(ctx context.Context, r *run) error {
	ips := fmt.Sprintf("%v,%v", t.lab.Server().Addrs()[0], t.lab.Server().Addrs()[len(t.lab.Server().Addrs())-1])
	if t.pair.Cloud {
		ips = t.lab.ServerOutside().String()
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx)) // close ends it
	t.stop = stop
	cmd := t.lab.Server().Command(life, r.Program, "serve")
	cmd.Env = []string{
		"WASMP2PCHAT_ADDR=:443", "WASMP2PCHAT_DOMAIN=" + domain, "WASMP2PCHAT_PUBLIC_IPS=" + ips,
		"WASMP2PCHAT_TLS_CERT_FILE=" + r.cred.chain, "WASMP2PCHAT_TLS_KEY_FILE=" + r.cred.key,
		"WASMP2PCHAT_ADMIN_ADDR=127.0.0.1:9090", "WASMP2PCHAT_STATE_DIR=" + t.dir,
		"WASMP2PCHAT_MATCH_AVOID=0", // the same two meet again and again
	}
	cmd.Stdout, cmd.Stderr = &t.log, &t.log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	t.exited = make(chan struct{})
	go func() { // waited for in close
		defer close(t.exited)
		_ = cmd.Wait() // the log says why
	}()
	if err := t.awaitReady(ctx); err != nil {
		return fmt.Errorf("the server is not ready: %w; it said: %s", err, t.said())
	}
	return nil
}

// awaitReady polls until the server is ready.
func (t *town) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DialContext: t.lab.Server().Dial, DisableKeepAlives: true}}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !answersOK(ctx, client, "http://127.0.0.1:9090/readyz") {
		select {
		case <-again.C:
		case <-t.exited:
			return errors.New("it has ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func answersOK(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// said is the end of what the server has said.
func (t *town) said() string { return t.log.String() }

// close ends everything in the laboratory, and the laboratory.
func (t *town) close() error {
	if t.stop != nil {
		t.stop() // at once: nobody is left whom it could tell
	}
	if t.exited != nil {
		<-t.exited
	}
	return t.raze()
}

// maxTail is how much of what a program says is kept.
const maxTail = 4 << 10 // bytes

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex // guards the field below
	text []byte
}

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	if beyond := len(t.text) - maxTail; beyond > 0 {
		t.text = append(t.text[:0], t.text[beyond:]...)
	}
	return len(text), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
