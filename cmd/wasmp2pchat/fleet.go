package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/admin"
	"github.com/wasmp2pchat/wasmp2pchat/internal/redisdb"
)

// member is this process as one of a fleet. Nil is a process that is alone: it
// shares nothing, and nothing here is started for it.
type member struct {
	id    string
	db    *redisdb.DB
	log   *slog.Logger
	clear []string // the warnings that the log has been told of; look's own
}

// joinFleet prepares what a node shares with others; nil without REDIS_URL. It does
// not wait for Redis: a node that cannot reach it serves its own visitors.
func joinFleet(cfg *config, log *slog.Logger) (*member, error) {
	if !cfg.inFleet() {
		return nil, nil
	}
	db, err := redisdb.Open(cfg.RedisURL.reveal(), redisdb.Options{Log: log})
	if err != nil {
		return nil, fmt.Errorf("%sREDIS_URL: %w", prefix, err)
	}
	return &member{id: cfg.nodeID(), db: db, log: log}, nil
}

// stages are those of a fleet, in the order in which they end: what the others tell
// this node, and it tells them, goes on until the relay has ended.
func (m *member) stages() []stage {
	if m == nil {
		return nil
	}
	return []stage{{"fleet", m.serve}, {"redis", m.db.Serve}}
}

// lookEvery is how often it is looked whether there is something to warn of.
const lookEvery = time.Second

// serve logs once when a warning of the fleet comes or goes.
func (m *member) serve(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			m.look()
		}
	}
}

// look logs what has changed since the last time. Redis itself is redisdb's to tell.
func (m *member) look() {
	now := slices.DeleteFunc(m.warnings(), func(text string) bool { return strings.HasPrefix(text, redisdb.ErrDown.Error()) })
	for _, text := range now {
		if !slices.Contains(m.clear, text) {
			m.log.Warn("the fleet is at odds", "what", text)
		}
	}
	for _, text := range m.clear {
		if !slices.Contains(now, text) {
			m.log.Info("the fleet agrees again", "about", text)
		}
	}
	m.clear = now
}

// warnings is what an operator ought to mend. The node is ready in spite of it: if
// all of a fleet said that they are not, a load balancer would have nobody left,
// and each can still serve its own visitors.
func (m *member) warnings() []string {
	if m == nil {
		return nil
	}
	var list []string
	if err := m.db.Reason(); err != nil {
		list = append(list, fmt.Sprintf("%v (%s); this node pairs its own visitors only", err, m.db.Where()))
	}
	return list
}

// nodes lists who serves, by id: this node, and the others that live.
func (m *member) nodes(self admin.Node) []admin.Node {
	return []admin.Node{self}
}
