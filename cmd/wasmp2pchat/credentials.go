package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/wasmp2pchat/wasmp2pchat/turnsvc"
)

// credentialsCommand mints a TURN credential, or says whether one is good.
func credentialsCommand(w world) error {
	fs := flags(w, "credentials", "[--user U] [--ttl D] [--json]\n       wasmp2pchat credentials --check USERNAME PASSWORD")
	user := fs.String("user", "operator", "what the username says after its expiry")
	ttl := fs.Duration("ttl", 0, "lifetime; the default is TURN_CREDENTIAL_TTL")
	asJSON := fs.Bool("json", false, "print JSON")
	environ := withEnvFileFlag(fs, w.environ)
	check := fs.Bool("check", false, "check the credential that follows")
	if err := fs.Parse(w.args); err != nil {
		return err
	}
	cfg, _, err := loadConfig(environ())
	if err != nil {
		return err
	}
	keys, err := loadSecrets(cfg)
	if err != nil {
		return err
	}
	switch {
	case *check && fs.NArg() != 2:
		return errors.New("--check wants a username and a password")
	case *check:
		return checkCredential(w, keys.turn, fs.Arg(0), fs.Arg(1))
	case fs.NArg() > 0:
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if *ttl == 0 {
		*ttl = cfg.TURN.CredentialTTL
	}
	if *ttl < minCredentialTTL || *ttl > maxCredentialTTL {
		return errors.New("--ttl: want 1s to 24h")
	}
	return mintCredential(w, turnsvc.Issuer{Secret: keys.turn[0], TTL: *ttl}, *user, *asJSON)
}

func mintCredential(w world, issuer turnsvc.Issuer, user string, asJSON bool) error {
	username, password, expires := issuer.Credentials(user)
	if asJSON {
		return json.NewEncoder(w.stdout).Encode(map[string]any{
			"username": username, "password": password, "ttl": int(issuer.TTL / time.Second),
		})
	}
	fmt.Fprintf(w.stdout, "username  %s\npassword  %s\nexpires   %s\n", username, password, expires.UTC().Format(time.RFC3339))
	return nil
}

func checkCredential(w world, secrets []string, username, password string) error {
	credential, err := turnsvc.Verifier{Secrets: secrets}.Check(username)
	if errors.Is(err, turnsvc.ErrMalformed) {
		return err
	}
	if !credential.Accepts(password) {
		return &hinted{err: errors.New("the password does not go with the username"), hint: "was it minted with another secret?"}
	}
	if err != nil {
		return fmt.Errorf("%w at %s", err, credential.Expires.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(w.stdout, "good until %s\n", credential.Expires.UTC().Format(time.RFC3339))
	return nil
}
