package wsconn

import (
	"bytes"
	"encoding/json"
)

// JSON is v as it travels: without HTML escapes, and with the line break at
// the end that Ayame's server writes. It panics on what does not marshal,
// which no message of ours may do.
func JSON(v any) []byte {
	var b bytes.Buffer
	encode(&b, v)
	return b.Bytes()
}

// SendJSON is Send of JSON(v).
func (c *Conn) SendJSON(v any) error {
	page := c.hub.pages.take()
	defer c.hub.pages.give(page)
	encode(page, v)
	return c.Send(page.Bytes())
}

func encode(b *bytes.Buffer, v any) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("wsconn: a message of ours does not marshal: " + err.Error())
	}
}
