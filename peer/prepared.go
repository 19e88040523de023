package peer

import "github.com/wasmp2pchat/wasmp2pchat/wire"

// prepared is a connection that waits for its partner.
type prepared struct{}

// prepare gets ready for a partner who has not been found yet. It does not
// wait.
func prepare(Config, Search, []wire.ICEServer) *prepared { return &prepared{} }

// renew takes newer ICE servers, before the credentials of the first end.
func (*prepared) renew([]wire.ICEServer) {}

// close gives up what was prepared.
func (*prepared) close() {}
