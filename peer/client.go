package peer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/internal/rand"
)

// standbyFor is how long sockets stand by for somebody who does not search:
// the server keeps a wire.Standby no longer.
const standbyFor = time.Minute

// Client looks for one partner after the other, for one user. It can have the
// sockets of the next search open before that begins, so that START is a
// message and not two handshakes. Its methods may be called from any goroutine.
type Client struct {
	cfg  Config
	dial dialer
	turn chan struct{} // has room for who searches

	mu     sync.Mutex         // guards the fields below; never held while waiting
	lobby  *standby           // at /matchmaking; nil: none, or a search has it
	rooms  *standby           // at /signaling; nil: none, or a search has it
	blank  *blank             // a connection; nil: none, or a search has it
	idle   *time.Timer        // calls Rest; nil: nothing stands by
	abort  context.CancelFunc // ends the search; nil: there is none
	closed bool
	ending sync.WaitGroup // what was given up
}

// NewClient makes a Client, which must be closed. It opens nothing yet.
func NewClient(cfg Config) *Client { return newClient(cfg, dial) }

func newClient(cfg Config, dial dialer) *Client {
	if cfg.UserID == "" {
		cfg.UserID = rand.Text() // nobody can guess it
	}
	if cfg.OnOnline == nil {
		cfg.OnOnline = func(int) {}
	}
	return &Client{cfg: cfg, dial: dial, turn: make(chan struct{}, 1)}
}

// Prepare opens the sockets of the next search in the background and has them
// stand by, for a minute: call it when somebody may be about to search. In a
// browser it also makes the connection, which asks no server anything yet. It
// never waits, and does nothing where there is nothing to do.
func (c *Client) Prepare() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.abort != nil || c.standBy() != nil {
		return
	}
	c.restLater()
}

// restLater calls Rest when nobody has searched for a while. c.mu is held.
func (c *Client) restLater() {
	c.stayAwake()
	if !c.closed {
		c.idle = time.AfterFunc(standbyFor, c.Rest)
	}
}

// stayAwake calls restLater off. c.mu is held.
func (c *Client) stayAwake() {
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
}

// Rest gives up what Prepare has opened, as when the page is hidden or the
// network has changed. A search and a chat go on.
func (c *Client) Rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest()
}

// rest is Rest, with c.mu held.
func (c *Client) rest() {
	c.stayAwake()
	c.lobby, c.rooms = c.let(c.lobby), c.let(c.rooms)
	if given := c.blank; given != nil {
		c.ending.Go(given.close) // Close waits for it
	}
	c.blank = nil
}

// let ends a standby in the background, unless it holds that the server takes
// none, which is kept.
func (c *Client) let(s *standby) *standby {
	if over, why := s.over(); over {
		if errors.Is(why, errStandby) {
			return s
		}
		return nil
	}
	s.cancel()
	c.ending.Go(s.end) // Close waits for it
	return nil
}

// Close ends the search, if there is one, and what stands by; when it returns,
// nothing is left but the chats that were found, which are their owner's.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	if c.abort != nil {
		c.abort()
	}
	c.rest()
	c.mu.Unlock()
	c.turn <- struct{}{} // the search has ended
	c.ending.Wait()
	<-c.turn
}

// standBy sees that both sockets are open, or being opened. c.mu is held.
func (c *Client) standBy() error {
	lobby, err := endpoint(c.cfg.URL, "/matchmaking")
	if err != nil {
		return err
	}
	rooms, err := endpoint(c.cfg.URL, "/signaling")
	if err != nil {
		return err
	}
	if over, why := c.lobby.over(); over && !errors.Is(why, errStandby) {
		c.lobby = inLobby(lobby, c.dial, c.cfg.OnOnline)
	}
	c.readyRooms(rooms)
	c.readyBlank()
	return nil
}

// readyBlank sees that there is a connection, or will be soon. c.mu is held.
func (c *Client) readyBlank() {
	if c.blank == nil {
		c.blank = newBlank(c.cfg)
	}
}

// readyRooms sees that a socket to /signaling is open, or being opened. c.mu
// is held.
func (c *Client) readyRooms(url string) {
	if over, why := c.rooms.over(); over && !errors.Is(why, errStandby) {
		c.rooms = atRooms(url, c.dial)
	}
}
