package conformance

import "fmt"

// integrityRows ask what counts of a message: nothing behind MESSAGE-INTEGRITY
// (RFC 8489 §14.5).
func integrityRows() []row {
	return []row{
		{name: "LIFETIME 0 behind MESSAGE-INTEGRITY", probe: func(c *client) string {
			c.mustAllocate()
			r := c.exchange(with(c.signed(refresh), lifetime(0)), c.key())
			return list(r, r.lifetime())
		}, want: "success, 600 s", stock: "success, 0 s"},
		{name: "REQUESTED-TRANSPORT behind MESSAGE-INTEGRITY", probe: func(c *client) string {
			return c.exchange(with(c.signed(allocate), udp()), c.key()).String()
		}, want: "400", stock: "success"},
		{name: "EVEN-PORT behind MESSAGE-INTEGRITY", probe: func(c *client) string {
			r := c.exchange(with(c.signed(allocate, udp()), evenPortAndNext()), c.key())
			return list(r, fmt.Sprint("token: ", r.get(attrReservationToken) != nil))
		}, want: "success, token: false", stock: "success, token: true"},
		{name: "a peer behind MESSAGE-INTEGRITY", probe: func(c *client) string {
			c.mustAllocate()
			p := c.newPeer("127.0.0.1")
			r := c.exchange(with(c.signed(createPermission, peerIP("127.0.0.2")), peerAt(p.addr)), c.key())
			c.sendTo(p.addr, "ping")
			c.barrier()
			return fmt.Sprint(r, ", ", p.hears())
		}, want: "success, nothing arrives", stock: "success, ping arrives"},
		{name: "nothing but a peer behind MESSAGE-INTEGRITY", probe: func(c *client) string {
			c.mustAllocate()
			return c.exchange(with(c.signed(createPermission), peerIP("127.0.0.1")), c.key()).String()
		}, want: "400", stock: "success"},
		{name: "a channel behind MESSAGE-INTEGRITY", probe: func(c *client) string {
			c.mustAllocate()
			return c.exchange(with(c.signed(channelBind, peerIP("127.0.0.1")), channel(0x4000)), c.key()).String()
		}, want: "400", stock: "success"},
		{name: "an unknown attribute behind MESSAGE-INTEGRITY", probe: func(c *client) string {
			return c.exchange(with(c.signed(allocate, udp()), unknownRequired()), c.key()).String()
		}, want: "success", stock: "success"},
		{name: "a credential behind MESSAGE-INTEGRITY", probe: func(c *client) string {
			c.signed(allocate) // fetches a nonce
			p := message(allocate, udp(), integrity(c.key()), text(attrUsername, c.username), text(attrRealm, c.realm), text(attrNonce, c.nonce))
			return c.exchange(p, c.key()).String()
		}, want: "400 unsigned | 401", stock: "success"},
		{name: "a second MESSAGE-INTEGRITY, which is wrong", probe: func(c *client) string {
			return c.exchange(with(c.signed(allocate, udp()), integrity([]byte("another key"))), c.key()).String()
		}, want: "success", stock: "success"},
		{name: "MESSAGE-INTEGRITY-SHA256 behind MESSAGE-INTEGRITY", probe: func(c *client) string {
			return c.exchange(with(c.signed(allocate, udp()), integritySHA256(c.key())), c.key()).String()
		}, want: "success", stock: "success"},
	}
}

// fingerprintRows ask with right and wrong FINGERPRINTs (RFC 8489 §14.7).
func fingerprintRows() []row {
	return []row{
		{name: "a Binding request with a FINGERPRINT", probe: func(c *client) string {
			return printed(c.say(binding, fingerprint(0)))
		}, want: "success, FINGERPRINT", stock: "success, FINGERPRINT"},
		{name: "an Allocate with a FINGERPRINT", probe: func(c *client) string {
			return printed(c.exchange(with(c.signed(allocate, udp()), fingerprint(0)), c.key()))
		}, want: "success, FINGERPRINT", stock: "success, no FINGERPRINT"},
		{name: "a challenge with a FINGERPRINT", probe: func(c *client) string {
			return printed(c.say(allocate, udp(), fingerprint(0)))
		}, want: "401, FINGERPRINT", stock: "401, no FINGERPRINT"},
		{name: "an error with a FINGERPRINT", probe: func(c *client) string {
			return printed(c.exchange(with(c.signed(refresh), fingerprint(0)), c.key()))
		}, want: "437, FINGERPRINT", stock: "silence, no FINGERPRINT"},
		{name: "a wrong FINGERPRINT on a Binding request", probe: func(c *client) string {
			return c.say(binding, fingerprint(1)).String()
		}, want: "silence", stock: "success"},
		{name: "a wrong FINGERPRINT on an Allocate", probe: func(c *client) string {
			return c.exchange(with(c.signed(allocate, udp()), fingerprint(1)), c.key()).String()
		}, want: "silence", stock: "success"},
		{name: "a wrong FINGERPRINT on a Send indication", probe: sendWith(fingerprint(1)), want: "nothing arrives", stock: "ping arrives"},
	}
}

// printed adds to an answer whether it has a FINGERPRINT; a wrong one is named
// by the answer itself.
func printed(r reply) string {
	if r.get(attrFingerprint) == nil {
		return r.String() + ", no FINGERPRINT"
	}
	return r.String() + ", FINGERPRINT"
}
