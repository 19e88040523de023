package wire

// CloseCode is the status of a WebSocket close frame (RFC 6455 §7.4). What
// travels beside it is one of the Close reasons below, never the text of an
// error.
type CloseCode int

// The close codes in use.
const (
	CloseNormal    CloseCode = 1000 // done; on /signaling also every fault, as Ayame has it
	CloseGoingAway CloseCode = 1001 // the server stops, or others need the place of a Standby; come back
	CloseBadData   CloseCode = 1007 // /matchmaking: the first message was not a MatchRequest
	ClosePolicy    CloseCode = 1008 // a limit was passed
	CloseTooBig    CloseCode = 1009 // a message over the limit
	CloseTryLater  CloseCode = 1013 // the server is too busy
)

// The reasons that travel in close frames.
const (
	ReasonDone           = ""
	ReasonShutdown       = "server is shutting down"
	ReasonBadJSON        = "not the JSON that was expected"
	ReasonNoRegister     = "register first"
	ReasonUnexpected     = "unexpected message type"
	ReasonRegisteredOnce = "already registered"
	ReasonFirstMessage   = "no first message in time"
	ReasonPongTimeout    = "no pong in time"
	ReasonSlowReader     = "reads too slowly"
	ReasonFlood          = "too many messages"
	ReasonLeft           = "the other one has left"
	ReasonMatched        = "matched"
	ReasonTimeout        = "nobody came"
	ReasonAbsent         = "the other one has not come"
	ReasonTooMany        = "too many wait from this address"
	ReasonTooFast        = "too many requests from this address"
	ReasonBanned         = "banned for a time"
	ReasonReported       = "reported"
	ReasonReplaced       = "replaced by a new connection"
	ReasonMoved          = "the room has moved to another server"
	ReasonStandby        = "too many stand by"
)
