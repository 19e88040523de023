//go:build interop

package conformance

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// A dispute is a difference between our server and coturn that is known: of
// questions that are about something, what each answers, and who is right.
type dispute struct {
	about        string // in question.about; empty: any
	ours, coturn string // patterns of package path; $ is what we answer
	right        string
	why          string
}

// Who is right.
const (
	we   = "we are right"
	both = "both are right"
)

// disputes are all that are known. The first one that explains a difference counts.
func disputes() []dispute {
	return []dispute{
		{"", "*", "$ unsigned", we, "RFC 8489 §9.2.4: whoever has authenticated himself gets a signed answer, an error as well"},

		// What is a message.
		{"a length beyond", "silence", "*", we, "RFC 8489 §6.3: a malformed message is discarded; coturn reads what comes before the malformed attribute"},
		{"cut short", "silence", "4*", we, "the same"},
		{"another length", "silence", "4* | success*", we, "the same: the datagram is longer or shorter than it says"},
		{"another method", "silence", "4*", we, "RFC 8489 §6.3: an unknown method is discarded"},
		{"another class", "silence", "4*", we, "RFC 8489 §6.3: so is a class that a method does not have"},
		{beyond, "closed", "silence", both, "RFC 8656 §12: reserved numbers, which no longer frame a stream; coturn knows those of RFC 5766"},

		// Who asks.
		{"", "401 | 400 unsigned | 438", "silence", both, "coturn looks for another key before it refuses one, and answers later than what was sent next"},
		{"length of", "401 | 438", "success*", we, "RFC 8489 §9.2.4: another user, realm or nonce; coturn reads them up to the first zero"},
		{"two of NONCE", "438", "success*", we, "RFC 8489 §14: the first of a type counts"},
		{"", "438", "4*", we, "RFC 8489 §9.2.4: the nonce is looked at before the user, and all of it before the rest"},
		{"", "401", "4*", we, "RFC 8489 §9.2.4: the signature comes before the rest, as whose user or realm the 5-tuple is"},
		{"", "400 unsigned", "4*", we, "RFC 8489 §9.2.4: without user, realm or nonce there is nobody to look for; nor if they follow the signature (§14.5)"},
		{"something behind MESSAGE-INTEGRITY", "*", "*", we, "RFC 8489 §14.5: what follows a signature does not count; coturn heeds it, even an unsigned LIFETIME of 0"},

		// What is asked for.
		{"", "420 for 001a", "*", both, "RFC 8656 §7.2: DONT-FRAGMENT is for servers that can set the bit; 420 is for the others"},
		{"", "420*", "420*", both, "RFC 8489 §14.13: the list names each once; coturn names some twice, and some that it knows"},
		{"", "420*", "4*", we, "RFC 8489 §6.3.1: unknown attributes are looked for before the method is"},
		{"", "*", "420*", we, "RFC 8489 §6.3: an attribute that is known, but not expected, is ignored"},
		{"without a relay", "437", "4*", we, "RFC 8656 §5: there is no allocation, whatever else may be wrong"},
		{"Allocate", "442", "400", we, "RFC 8656 §7.2: a protocol that is not supported"},
		{"Allocate", "442", "success*", both, "RFC 6062: coturn has TCP relays, for those who come by TCP"},
		{"Allocate", "508", "40?", we, "RFC 8656 §7.2: a token that is not good"},
		{beyond, "400", "*", we, "RFC 8656 §12: channels end at 0x4FFF; coturn knows those of RFC 5766"},
		{"XOR-PEER-ADDRESS", "400", "success | 443", we, "RFC 8656 §10.2: one peer that makes no sense, and no permission is made"},
		{"value of XOR-PEER-ADDRESS", "success", "400", we, "RFC 8489 §14.1: the first eight bits are ignored"},
		{"ChannelBind", "400", "443", both, "RFC 8656 §12.2: both are wrong, the number and the family"},
		{"REQUESTED-ADDRESS-FAMILY", "400 | 440", "400 | 440 | 443", both, "RFC 8656 §7.2, §8.2: a family that does not exist, beside a token, or of a strange length"},
		{"length of", "400", "success*", we, "RFC 8656 §18: EVEN-PORT is one byte, CHANNEL-NUMBER four"},
		{"two of", "success* | 440 | 443", "success* | 400 | 443", we, "RFC 8489 §14: the first of a type counts"},
		{"another method", "silence", "closed", both, "RFC 8489 §6.3: discarded; coturn discards the connection, too"},

		// Data.
		{"DONT-FRAGMENT", "silence", "near hears*", both, "RFC 8656 §11.2: who cannot set the bit does not understand the attribute, and discards the indication"},
		{"two of XOR-PEER-ADDRESS", "silence", "near hears*", we, "RFC 8489 §14: the first of a type counts"},
		{"two of", "near hears*", "silence", we, "RFC 8489 §14: the first of a type counts"},
		{"two of DATA", "closed", "silence", both, "a message that is longer than any that we relay, on a stream"},
		{"value of XOR-PEER-ADDRESS", "near hears*", "silence", we, "RFC 8489 §14.1: the first eight bits are ignored"},
		{"Send", "near hears*", "silence", we, "RFC 8489 §6.3: an attribute that is known, but not expected, is ignored"},
		{"more behind it", "silence", "near hears*", both, "RFC 8656 §12.6 says nothing of datagrams that are longer than ChannelData and its padding"},
		{"another length", "silence", "near hears*", both, "the same: the length is too small"},
	}
}

// explains reports whether the dispute is this one.
func (d dispute) explains(s opinions) bool {
	return (d.about == "" || s.mentions(d.about)) && matches(d.ours, s.ours) &&
		matches(strings.ReplaceAll(d.coturn, "$", s.ours), s.coturn)
}

// matches reports whether one of the patterns is that of an answer.
func matches(patterns, answer string) bool {
	return slices.ContainsFunc(strings.Split(patterns, " | "), func(pattern string) bool {
		ok, err := path.Match(pattern, answer)
		return ok && err == nil
	})
}

func (d dispute) String() string {
	about := d.about
	if about == "" {
		about = "anything"
	}
	return fmt.Sprintf("%s\twe: %s\tcoturn: %s\t%s\t%s", about, d.ours, d.coturn, d.right, d.why)
}
