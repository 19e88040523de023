package main

import (
	"encoding/json"
	"strings"
)

// describe names a message.
func describe(text string) string {
	var m struct {
		Type          string
		Reason        string
		IsExistClient *bool
		IsExistUser   *bool
	}
	if json.Unmarshal([]byte(text), &m) != nil {
		return "not JSON: " + text
	}
	switch m.Type {
	case "accept":
		switch client, user := m.IsExistClient, m.IsExistUser; {
		case client == nil || user == nil || *client != *user:
			return "accept, but " + strings.TrimSpace(text)
		case *client:
			return "accept second"
		default:
			return "accept first"
		}
	case "reject":
		return "reject " + m.Reason
	default:
		return m.Type
	}
}

// typeOf is the type of a message, empty if it has none.
func typeOf(text string) string {
	var m struct{ Type string }
	_ = json.Unmarshal([]byte(text), &m) // then it has none
	return m.Type
}
