#!/bin/sh
# For ufw, the firewall of Ubuntu: sudo sh firewall-ufw.sh
set -e
ufw allow 80/tcp comment 'wasmp2pchat: sends people to https, answers the certificate authority'
ufw allow 443/tcp comment 'wasmp2pchat: page, WebSockets, TURN over TLS'
ufw allow 3478/udp comment 'wasmp2pchat: STUN and TURN'
ufw allow 443/udp comment 'wasmp2pchat: STUN and TURN'
ufw allow 3478/tcp comment 'wasmp2pchat: TURN over TCP'
ufw allow 5349/tcp comment 'wasmp2pchat: TURN over TLS'
ufw allow 5349/udp comment 'wasmp2pchat: TURN over DTLS'
ufw allow 49152:65535/udp comment 'wasmp2pchat: relayed traffic'
