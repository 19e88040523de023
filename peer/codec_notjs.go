//go:build !js

package peer

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/wasmp2pchat/wasmp2pchat/wire"
)

// maxInteger is the largest integer that a browser can count to:
// Number.MAX_SAFE_INTEGER.
const maxInteger = 1<<53 - 1

var errInteger = errors.New("a number that no browser can hold")

// marshal is the JSON of v, a pointer to one of the messages of wire. The
// strings of v must be valid UTF-8. Its twin in codec_js.go writes the same
// bytes without encoding/json, which would cost every visitor 125 kB.
func marshal(v any) (string, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

// unmarshal fills v, a pointer to the zero value of one of the messages of
// wire. Unknown members are skipped, a missing member and null are the zero
// value, a member of the wrong type is an error. Its twin in codec_js.go
// agrees on every message that a program writes; on curiosities it is the
// stricter or the laxer one: names in other letter cases, and integers written
// 1.0 or 1e3.
func unmarshal(data string, v any) error {
	if err := json.Unmarshal([]byte(data), v); err != nil {
		return err
	}
	if f, ok := v.(*wire.Frame); ok && f.ID > maxInteger {
		return errInteger
	}
	return nil
}
