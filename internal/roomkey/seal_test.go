package roomkey_test

import (
	"testing"

	"github.com/wasmp2pchat/wasmp2pchat/internal/roomkey"
)

func TestASealIsOfASecretAPurposeAndAText(t *testing.T) {
	t.Parallel()
	first := roomkey.Seal("secret", "a 1")([]byte("text"))
	if again := roomkey.Seal("secret", "a 1")([]byte("text")); again != first {
		t.Error("another process seals the same text in another way")
	}
	for name, other := range map[string][roomkey.SealBytes]byte{
		"another secret":                   roomkey.Seal("Secret", "a 1")([]byte("text")),
		"another purpose":                  roomkey.Seal("secret", "a 2")([]byte("text")),
		"another text":                     roomkey.Seal("secret", "a 1")([]byte("texT")),
		"what a room id is signed with":    roomkey.Seal("secret", "")([]byte("text")),
		"the end of a purpose in the text": roomkey.Seal("secret", "a ")([]byte("1text")),
	} {
		if other == first {
			t.Errorf("the seal of %s is the same", name)
		}
	}
}
