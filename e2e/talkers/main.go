package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
)

// maxTalkers bounds how many talk at once.
const maxTalkers = 500

func main() {
	if err := run(context.Background(), os.Stdin, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "talkers:", err)
		os.Exit(1)
	}
}

// run does what it is told until in ends, and then lets everybody go.
func run(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	c := &company{paper: json.NewEncoder(out), talkers: map[string]*talker{}}
	err := c.obey(ctx, in)
	cancel()
	c.all.Wait()
	return err
}

// company is all who talk here.
type company struct {
	all sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	paper   *json.Encoder
	talkers map[string]*talker
}

func (c *company) obey(ctx context.Context, in io.Reader) error {
	for lines := bufio.NewScanner(in); ; {
		if !lines.Scan() {
			return lines.Err()
		}
		var o line.Order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return fmt.Errorf("read %q: %w", lines.Text(), err)
		}
		if err := c.do(ctx, o); err != nil {
			return fmt.Errorf("do %q: %w", lines.Text(), err)
		}
	}
}

func (c *company) do(ctx context.Context, o line.Order) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.talkers[o.ID]
	switch {
	case o.Do != line.Talk:
		if known != nil { // else he has gone by himself
			known.orders <- o
		}
		return nil
	case known != nil || o.Every <= 0:
		return errors.New("want a new id, and a time between two messages")
	case len(c.talkers) >= maxTalkers:
		return fmt.Errorf("more than %d talk", maxTalkers)
	}
	t := &talker{Order: o, tell: c.tell, orders: make(chan line.Order, maxOrders), ids: map[uint64]int{}}
	c.talkers[o.ID] = t
	c.all.Go(func() {
		t.lives(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.talkers, o.ID)
	})
	return nil
}

// tell writes a line.
func (c *company) tell(n line.News) {
	n.At = time.Now().UnixNano()
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.paper.Encode(n) // who does not listen any more ends our input as well
}
