package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/wasmp2pchat/wasmp2pchat/internal/natlab"
)

// site is what visitors open.
const site = "https://" + domain

// child is a visitor in a process of his own: Visit.
type child struct {
	orders  io.WriteCloser
	answers *json.Decoder
	log     tail
	stop    context.CancelFunc
	exited  chan struct{}
}

// newChild starts a visitor on a side.
func (r *run) newChild(ctx context.Context, t *town, side natlab.Side) (*child, error) {
	life, stop := context.WithCancel(context.WithoutCancel(ctx)) // close ends it
	cmd := t.lab.Client(side).Command(life, r.Program, "lab", "visit", site)
	cmd.Env = []string{"SSL_CERT_FILE=" + r.cred.root, "SSL_CERT_DIR=" + r.dir}
	c := &child{stop: stop, exited: make(chan struct{})}
	cmd.Stderr = &c.log
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		stop()
		return nil, err
	}
	c.orders, c.answers = in, json.NewDecoder(out)
	if err := cmd.Start(); err != nil {
		stop()
		return nil, err
	}
	go func() { // waited for in close
		defer close(c.exited)
		<-life.Done()  // not before all answers were read
		_ = cmd.Wait() // it was killed, or its log says why
	}()
	return c, nil
}

// do tells the visitor what to do, and waits for his answer.
func (c *child) do(ctx context.Context, order Order) (said Account, err error) {
	stop := context.AfterFunc(ctx, c.stop) // which ends the wait
	defer stop()
	if err = json.NewEncoder(c.orders).Encode(order); err == nil {
		err = c.answers.Decode(&said)
	}
	if err != nil {
		return said, fmt.Errorf("a visitor is no more: %w; he said: %s", errors.Join(err, ctx.Err()), c.log.String())
	}
	return said, nil
}

// close ends the visitor.
func (c *child) close() {
	_ = c.orders.Close() // he is killed anyway
	c.stop()
	<-c.exited
}
