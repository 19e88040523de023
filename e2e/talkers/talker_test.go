package main

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/e2e/talkers/line"
	"github.com/wasmp2pchat/wasmp2pchat/peer"
)

// slowServer is a chat whose server takes no complaint as long as one waits.
type slowServer struct{ events chan peer.Event }

func (s *slowServer) Path() peer.Path             { return peer.Path{Kind: peer.PathDirect} }
func (s *slowServer) Events() <-chan peer.Event   { return s.events }
func (s *slowServer) Send(string) (uint64, error) { return 1, nil }
func (s *slowServer) Close() error                { return nil }
func (s *slowServer) Report(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestWhoComplainsHears: what a friend says is heard at once, and one who is told to
// leave leaves, while the server is silent about a complaint.
func TestWhoComplainsHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		news := make(chan line.News, 8)
		someone := &talker{
			Order:  line.Order{ID: "1a", Every: line.Duration(time.Hour)},
			tell:   func(n line.News) { news <- n },
			orders: make(chan line.Order, maxOrders),
			ids:    map[uint64]int{},
		}
		chat := &slowServer{events: make(chan peer.Event, 1)}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			someone.talks(t.Context(), chat)
		}()
		synctest.Wait() // he hears now
		someone.orders <- line.Order{Do: line.Report}
		synctest.Wait()
		chat.events <- peer.Event{Kind: peer.EventMessage, Text: "1b 1"}
		synctest.Wait()
		someone.orders <- line.Order{Do: line.Leave}
		synctest.Wait()
		select {
		case <-gone:
		default:
			t.Fatal("he waits for the server before he hears or leaves")
		}
		close(news)
		var told []string
		for n := range news {
			told = append(told, n.What)
		}
		want := []string{line.Met, line.Heard, line.Reported, line.Parted}
		if !slices.Equal(told, want) {
			t.Fatalf("told %v, want %v", told, want)
		}
	})
}
