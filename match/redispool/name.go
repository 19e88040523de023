package redispool

import (
	"errors"
	"strconv"
	"strings"
)

// A name is written node.epoch.conn, which is the ticket in Redis: the next offer
// takes the place of the one before. With its generation behind a colon it is what
// messages name.
const nameBase = 36

// owner is the node of an epoch, as it has a lease.
func owner(node string, epoch uint64) string {
	return node + "." + strconv.FormatUint(epoch, nameBase)
}

func (n name) owner() string { return owner(n.Node, n.Epoch) }

// ticket is n as Redis has it, without its generation.
func (n name) ticket() string { return n.owner() + "." + strconv.FormatUint(n.Conn, nameBase) }

func (n name) String() string { return n.ticket() + ":" + generation(n.Generation) }

// generation is eight hexadecimal digits: the script cuts them out by their place.
func generation(g uint32) string {
	const digits = "0123456789abcdef"
	var text [8]byte
	for i := range text {
		text[i] = digits[g>>(28-4*i)&15]
	}
	return string(text[:])
}

// maxNameBytes bounds a name: a node's of 63, and numbers.
const maxNameBytes = 128

var errName = errors.New("not the name of a ticket")

// notOfNode tells whether r cannot be in the id of a node.
func notOfNode(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// parseName reads what String wrote.
func parseName(text string) (n name, err error) {
	if len(text) > maxNameBytes {
		return n, errName
	}
	ticket, g, ok := strings.Cut(text, ":")
	if !ok || len(g) != 8 {
		return n, errName
	}
	generation, err := strconv.ParseUint(g, 16, 32)
	if err != nil {
		return n, errName
	}
	conn := strings.LastIndexByte(ticket, '.')
	if conn < 0 {
		return n, errName
	}
	epoch := strings.LastIndexByte(ticket[:conn], '.')
	if epoch <= 0 {
		return n, errName
	}
	if strings.ContainsFunc(ticket[:epoch], notOfNode) {
		return n, errName
	}
	n.Node, n.Generation = ticket[:epoch], uint32(generation)
	if n.Epoch, err = strconv.ParseUint(ticket[epoch+1:conn], nameBase, 64); err != nil {
		return n, errName
	}
	if n.Conn, err = strconv.ParseUint(ticket[conn+1:], nameBase, 64); err != nil {
		return n, errName
	}
	if n.String() != text { // one name is written in one way only
		return n, errName
	}
	return n, nil
}
