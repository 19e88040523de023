// Package edge is the one door of the server: page, WebSockets and TURN come
// through one TCP port and are told apart behind it.
//
//	socket ─▶ caps ─▶ PROXY header? ─▶ TLS? ─▶ ALPN, else the first byte
//	                                            │
//	                            HTTP() ◀────────┴────────▶ TURN()
//	              net/http: page, h2, WSS                   a stream of frames
//
// It promises that a connection reaches the listener it is for, with every byte
// that its client has sent, within Config.Opening, or is closed; that who comes
// with HTTP/2 is handed over as the *tls.Conn that net/http asks for; that a
// stranger costs bounded time and memory, and his own address only; and that the
// socket goes on accepting whatever strangers or the kernel do to it.
//
// It leaves to others what is said on a connection: once handed over it belongs
// to its service, with its time-outs, and only its place in the caps is still
// the door's. Certificates are the business of the tls.Config it is given.
package edge
