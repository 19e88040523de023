// Package wsconn is the server-side WebSocket of match and signal.
//
// It promises that one slow, silent or hostile client costs only itself: each
// connection has one goroutine, a bounded queue, deadlines, and a budget of
// messages; limits are checked before the connection is upgraded. It promises
// that Conn.Quiet never says yes once the client's end is known to this host,
// in TLS as well as without. And an idle connection costs a small stack and no
// buffer, a message no allocation. What the messages mean it leaves to the
// services.
//
//	socket  ─▶ Watch      knows what has arrived; TLS and net/http on top of it
//	request ─▶ Guard      Origin, connections and rate per address ─▶ 403, 429, 503
//	        ─▶ Hub.Accept upgrades, and the HTTP handler returns
//	             │ one goroutine reads ─▶ Session.Message, Session.Idle, Session.Closed
//	             │   whole frames are handled where they lie, the others by gorilla
//	             │ Conn.Later  what many leave at once is done in one go
//	             │ Conn.Send   whoever finds nobody writing writes itself; others queue
//	             ▼ Hub.Serve   one sweeper pings all and cuts the silent
package wsconn
