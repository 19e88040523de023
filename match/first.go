package match

import (
	"encoding/json"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// said is what a client can say: it reports somebody, stands by, or asks for a
// partner.
type said struct {
	report  *wire.Report
	standby bool
	request wire.MatchRequest // if it is neither
}

// parse reads a message of a client. What it does not know in it is dropped,
// so nothing that was said in a room gets any further with a report.
func parse(text []byte) (said, error) {
	if request, ok := readRequest(text); ok {
		return checked(request)
	}
	var m struct {
		Type   string `json:"type"`
		RoomID string `json:"room_id"`
		Reason string `json:"reason"`
		wire.MatchRequest
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return said{}, err
	}
	switch m.Type {
	case wire.MatchReport:
		report := wire.Report{Type: m.Type, RoomID: m.RoomID, UserID: m.UserID, Reason: m.Reason}
		return said{report: &report}, report.Check()
	case wire.MatchStandby:
		return said{standby: true}, nil
	default:
		return checked(m.MatchRequest)
	}
}

// checked is a request within the limits.
func checked(request wire.MatchRequest) (said, error) {
	if err := request.Check(); err != nil {
		return said{}, err
	}
	tags, err := Tags(request.Tags)
	request.Tags = tags
	return said{request: request}, err
}
