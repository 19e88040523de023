package turnsvc

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the TURN REST API fixes HMAC-SHA1, which is sound
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// MaxUsernameBytes bounds a username; RFC 8489 §14.3 has 508.
const MaxUsernameBytes = 512

// maxExpiry is the end of the year 9999: later ones are mistakes.
const maxExpiry = 253402300799

// Why a username is refused.
var (
	ErrMalformed = errors.New("not a username of the form <unix expiry>:<claims>")
	ErrExpired   = errors.New("credential expired")
)

// Credential is a username taken apart, with the passwords that fit it.
type Credential struct {
	Expires   time.Time // to the second
	Claims    string    // what its minter says of the user
	Passwords []string  // one for each secret, newest first
}

// Accepts reports whether password proves that the minter knew a secret. The
// time that it takes tells nothing about the right ones.
func (c Credential) Accepts(password string) bool {
	good := 0
	for _, p := range c.Passwords {
		good |= subtle.ConstantTimeCompare([]byte(p), []byte(password))
	}
	return good == 1
}

// Verifier checks credentials of the TURN REST API (draft-uberti-behave-turn-rest):
//
//	username = <unix expiry>:<claims>    password = base64(HMAC-SHA1(secret, username))
type Verifier struct {
	Secrets []string         // shared with the minters, newest first
	Now     func() time.Time // nil: time.Now
}

// Check takes username apart: what it claims, until when, and which passwords
// go with it, for Accepts. ErrMalformed comes with a zero Credential, ErrExpired
// with a whole one.
func (v Verifier) Check(username string) (Credential, error) {
	expiry, claims, err := parseUsername(username)
	if err != nil {
		return Credential{}, err
	}
	c := Credential{Expires: time.Unix(expiry, 0), Claims: claims}
	for _, secret := range v.Secrets {
		c.Passwords = append(c.Passwords, password(secret, username))
	}
	if !now(v.Now).Before(c.Expires) {
		return c, ErrExpired
	}
	return c, nil
}

func now(clock func() time.Time) time.Time {
	if clock == nil {
		return time.Now()
	}
	return clock()
}

func password(secret, username string) string {
	return passwordOf(passwordMAC(secret), username)
}

// passwordMAC makes the passwords of a secret.
func passwordMAC(secret string) hash.Hash { return hmac.New(sha1.New, []byte(secret)) }

func passwordOf(mac hash.Hash, username string) string {
	var sum [sha1.Size]byte
	mac.Reset()
	_, _ = io.WriteString(mac, username) // never fails
	return base64.StdEncoding.EncodeToString(mac.Sum(sum[:0]))
}

func formatUsername(expiry int64, claims string) string {
	return strconv.FormatInt(expiry, 10) + ":" + claims
}

// parseUsername undoes formatUsername and accepts nothing else.
func parseUsername(username string) (expiry int64, claims string, err error) {
	number, claims, found := strings.Cut(username, ":")
	expiry, err = strconv.ParseInt(number, 10, 64)
	switch {
	case len(username) > MaxUsernameBytes:
		return 0, "", fmt.Errorf("%w: longer than %d bytes", ErrMalformed, MaxUsernameBytes)
	case !found, err != nil, formatUsername(expiry, claims) != username:
		return 0, "", ErrMalformed
	case expiry < 1 || expiry > maxExpiry:
		return 0, "", fmt.Errorf("%w: expiry out of range", ErrMalformed)
	case !utf8.ValidString(claims), strings.ContainsFunc(claims, unprintable):
		return 0, "", fmt.Errorf("%w: claims are not printable", ErrMalformed)
	}
	return expiry, claims, nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
