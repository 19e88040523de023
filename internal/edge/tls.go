package edge

import (
	"crypto/tls"
	"slices"
)

// What a client may say by ALPN (RFC 7301). Browsers say nothing for TURN; those
// who know RFC 7443 do, and would be turned away if it were not there.
const (
	protoHTTP2 = "h2"
	protoHTTP1 = "http/1.1"
	protoTURN  = "stun.turn"
	protoSTUN  = "stun.nat-discovery"
	protoACME  = "acme-tls/1" // RFC 8737
)

// prepare returns a copy of config that is fit for a Door, and so are those that
// it chooses for a client.
func prepare(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	protos := []string{protoHTTP2, protoHTTP1, protoTURN, protoSTUN}
	if slices.Contains(config.NextProtos, protoACME) {
		protos = append(protos, protoACME)
	}
	config.NextProtos = protos
	if choose := config.GetConfigForClient; choose != nil {
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if chosen == nil || err != nil {
				return nil, err
			}
			return prepare(chosen), nil
		}
	}
	return config
}
