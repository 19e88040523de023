package turnsvc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// Claims are what a credential for a room says of its user. Because its
// password proves who minted the username, every server that knows the secret
// can trust them, without asking anybody.
//
//	<room>.<side>[.h][.<server>…][.<tag>…]
//
// A server that is named, by a hash of its Config.Node, is one that the credential
// is good at; if none is named, all are. So it is known where a room can hold
// allocations, and where its end has to be told.
//
// A tag stands for an address from which the partner was seen: a MAC, so that
// the user does not learn the address from it. It still tells him when he
// guesses right, so there is none for a partner who hides.
type Claims struct {
	Room string // the name of the room; no dots
	Side string // tells the members apart; no dots
	// Hidden is a member who hides where he is: that he allocates from an address
	// lets his partner reach his relayed addresses, and not that address.
	Hidden bool
	// Partner lists the addresses from which the other member came to the
	// server; those that are not valid are left out. Credentials that are minted
	// before there is a partner have none: then Server.Introduce tells the relay.
	Partner []netip.Addr
	// At lists the servers of a fleet that the credential is good at, by their
	// Config.Node, maxNamed at most; empty: every one that knows the secret.
	At []string
}

// maxNamed bounds Claims.At: what is named after that is left out.
const maxNamed = 4

// tagBytes of a MAC are enough where one guess costs one request.
const tagBytes = 8

// hiddenClaim is Claims.Hidden as it is written: shorter than any tag.
const hiddenClaim = "h"

// appendTo writes the claims; mac is a tagMAC of the secret.
func (c Claims) appendTo(b []byte, mac hash.Hash) []byte {
	b = append(append(append(b, c.Room...), '.'), c.Side...)
	if c.Hidden {
		b = append(append(b, '.'), hiddenClaim...)
	}
	for _, node := range c.At[:min(len(c.At), maxNamed)] {
		b = appendNode(append(b, '.'), node)
	}
	for _, addr := range c.Partner {
		if addr.IsValid() {
			b = appendTag(append(b, '.'), mac, c.Room, addr)
		}
	}
	return b
}

// What names a server in claims: shorter than any tag, longer than hiddenClaim.
const (
	nodeHashBytes  = 3 // no secret: that two servers of a fleet are called the same costs only strictness
	nodeClaimChars = 1 + (nodeHashBytes*8+5)/6
)

// appendNode writes the name of a server in claims.
func appendNode(b []byte, node string) []byte {
	var space [128]byte // for a name of 63 characters and what it is hashed with
	sum := sha256.Sum256(append(append(space[:0], "wasmp2pchat turn node 1\x00"...), node...))
	return base64.RawURLEncoding.AppendEncode(append(b, 'n'), sum[:nodeHashBytes])
}

// tag stands for an address in the claims of a room.
func tag(secret, room string, addr netip.Addr) string {
	return string(appendTag(nil, tagMAC(secret), room, addr))
}

// tagMAC makes the tags of a secret.
func tagMAC(secret string) hash.Hash { return hmac.New(sha256.New, []byte(secret)) }

func appendTag(b []byte, mac hash.Hash, room string, addr netip.Addr) []byte {
	var sum [sha256.Size]byte
	ip := addr.Unmap().As16()
	mac.Reset()
	for _, part := range []string{"wasmp2pchat turn peer 1\x00", room, "\x00"} {
		_, _ = io.WriteString(mac, part) // never fails
	}
	mac.Write(ip[:])
	return base64.RawURLEncoding.AppendEncode(b, mac.Sum(sum[:0])[:tagBytes])
}

// member is a user as the relay knows one: a side of a room or, where plain
// credentials count, anybody with a name.
type member struct {
	owner  string // whose allocations these are, for quotas and 441: the claims without tags
	room   string // empty: a plain user
	side   string
	hidden bool     // no partner may find out where he is
	nodes  []string // the servers that his credential is good at, as claims name them; none: all
	tags   []string
	secret string // with which the claims were minted
}

// readMember takes claims apart. What is no claim of a room is a plain name.
func readMember(claims, secret string) member {
	parts := strings.Split(claims, ".")
	if len(parts) < 2 || slices.Contains(parts, "") {
		return member{owner: claims}
	}
	m := member{owner: ownerOf(parts[0], parts[1]), room: parts[0], side: parts[1], tags: parts[2:], secret: secret}
	if len(m.tags) > 0 && m.tags[0] == hiddenClaim {
		m.hidden, m.tags = true, m.tags[1:]
	}
	named := 0
	for named < len(m.tags) && len(m.tags[named]) == nodeClaimChars && m.tags[named][0] == 'n' {
		named++
	}
	m.nodes, m.tags = m.tags[:named], m.tags[named:]
	return m
}

// goodAt reports whether the credential opens something at a server; one without a
// name is no part of a fleet.
func (m *member) goodAt(node string) bool {
	if len(m.nodes) == 0 || node == "" {
		return true
	}
	var space [nodeClaimChars]byte
	return slices.Contains(m.nodes, string(appendNode(space[:0], node)))
}

// ownerOf is the owner of what a side of a room holds.
func ownerOf(room, side string) string { return room + "." + side }

// knows reports whether one of the tags stands for addr.
func (m *member) knows(addr netip.Addr) bool {
	return len(m.tags) > 0 && slices.Contains(m.tags, tag(m.secret, m.room, addr))
}
