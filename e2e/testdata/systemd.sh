# What an operator types on a machine that has systemd and nothing else, and what comes of
# it. Any command that fails ends it (sh -eux).
export PATH=/usr/local/bin:$PATH
mkdir -p /usr/local/bin
ip link set lo up
ip addr add 203.0.113.10/32 dev lo
service=wasmp2pchat.service
state() { systemctl show -P "$1" $service; }
status() { tr -s '\t' ' ' <"/proc/$(state MainPID)/status" | sed -n "s/^$1: //p"; }

# A certificate of one's own, because there is no authority here. A group may read its key.
groupadd -r ssl-cert || true
mkdir -p /etc/ssl/chat
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=chat.example.org \
  -addext subjectAltName=DNS:chat.example.org -keyout /etc/ssl/chat/key.pem -out /etc/ssl/chat/cert.pem
chgrp ssl-cert /etc/ssl/chat/key.pem
chmod 0640 /etc/ssl/chat/key.pem

# One command, and it serves: as somebody who may bind ports and nothing else.
/wasmp2pchat init --domain chat.example.org --cert /etc/ssl/chat/cert.pem --key /etc/ssl/chat/key.pem --install
test "$(state ActiveState)" = active
test "$(state NotifyAccess)" = main
page() { path=$1 && shift && curl --silent --show-error --fail --cacert /etc/ssl/chat/cert.pem "$@" "https://chat.example.org/$path"; }
page "" | grep -q 'id="start"'
until wasmp2pchat health; do test "$(state ActiveState)" = active; done
wasmp2pchat config --env-file /etc/wasmp2pchat/.env | grep -q 'WASMP2PCHAT_DOMAIN *chat.example.org'
test "$(status Seccomp)" = 2
test "$(status NoNewPrivs)" = 1
test "$(status CapEff)" = 0000000000000400
test "$(status CapBnd)" = 0000000000000400
test "$(status Uid | cut -d' ' -f1)" -ge 61184
test "$(stat -L -c %a /var/lib/private/wasmp2pchat)" = 700
test -s /var/lib/wasmp2pchat/turn-secret
journalctl -u wasmp2pchat -o cat | grep 'turn offers' | grep -q 'turns:chat.example.org:443'
test "$(ss -Hlntu | grep -cE ':(80|443|3478|5349) ')" -ge 7

# A firewall that lets nothing in but answers, and then what init wrote.
nft add table inet filter
nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'
nft add rule inet filter input ct state established,related accept
if page version --max-time 1; then exit 1; fi
nft -f /etc/wasmp2pchat/firewall.nft
page version
test "$(nft list chain inet filter input | grep -c 'accept comment "wasmp2pchat')" = 8

# The same again leaves the server alone; SIGHUP too.
before=$(state MainPID)
/wasmp2pchat init --domain chat.example.org --cert /etc/ssl/chat/cert.pem --key /etc/ssl/chat/key.pem --install | grep -c unchanged
test "$(state MainPID)" = "$before"
echo WASMP2PCHAT_WS_MAX_PER_IP=77 >>/etc/wasmp2pchat/.env
systemctl reload $service
until journalctl -u wasmp2pchat -o cat | grep -q 'WS_MAX_PER_IP.*77'; do test "$(state MainPID)" = "$before"; done
test "$(stat -c %a /run/wasmp2pchat /etc/wasmp2pchat/.env | xargs)" = "700 600"
sed -i '$d' /etc/wasmp2pchat/.env

nft delete table inet filter

# A new version takes over, and systemd goes along: it has another main process, which
# is its child, and the old one ends when it has nobody left.
before=$(state MainPID)
cp /wasmp2pchat /usr/local/bin/next
mv /usr/local/bin/next /usr/local/bin/wasmp2pchat
wasmp2pchat admin upgrade
page version
after=$(state MainPID)
test "$after" != "$before"
test "$(state ActiveState)$(state SubState)$(state NRestarts)" = activerunning0
test "$(sed -n 's/^PPid:\t//p' "/proc/$after/status")" = 1
while test -d "/proc/$before"; do page version; done
test "$(state MainPID)$(state ActiveState)" = "${after}active"
systemctl kill --kill-whom=main --signal=SIGUSR2 $service
until test "$(state MainPID)" != "$after"; do page version; done
after=$(state MainPID)
until wasmp2pchat health; do test "$(state MainPID)" = "$after"; done

# One that cannot serve changes nothing.
printf '#!/bin/sh\nexit 1\n' >/usr/local/bin/next
chmod 0755 /usr/local/bin/next
mv /usr/local/bin/next /usr/local/bin/wasmp2pchat
if /wasmp2pchat admin upgrade; then exit 1; fi
page version
test "$(state MainPID)$(state ActiveState)$(state SubState)" = "${after}activerunning"
cp /wasmp2pchat /usr/local/bin/next
mv /usr/local/bin/next /usr/local/bin/wasmp2pchat

# If the new one is killed, systemd hears of it at once, and starts the server again.
kill -9 "$after"
until test "$(state NRestarts)$(state ActiveState)" = 1active; do page version || true; done
page version

# Systemd has the sockets, and who comes while nobody serves waits.
cp /root/wasmp2pchat.socket /etc/systemd/system/
systemctl daemon-reload
systemctl disable --now $service
systemctl enable --now wasmp2pchat.socket
test "$(state ActiveState)" = inactive
page version
test "$(state ActiveState)" = active
systemctl restart $service
page version
wasmp2pchat admin upgrade
page version

# With two more capabilities the kernel relays.
/wasmp2pchat init --domain chat.example.org --cert /etc/ssl/chat/cert.pem --key /etc/ssl/chat/key.pem --install --ebpf
test "$(status CapBnd)" = 0000008000001400
journalctl -u wasmp2pchat -o cat | tail -30 | grep 'turn data plane chosen' | tail -1 | grep -q plane=ebpf
page version
wasmp2pchat admin upgrade
until wasmp2pchat health; do test "$(state ActiveState)" = active; done
journalctl -u wasmp2pchat -o cat | grep 'turn data plane chosen' | tail -1 | grep -q plane=ebpf
test "$(status CapBnd)" = 0000008000001400
page version

# Whoever restarts it right after an upgrade does not wait for a process that has ended.
for restart in 1 2 3 4 5 6; do
  wasmp2pchat admin upgrade
  systemctl reset-failed $service
  systemctl restart $service
done
page version
if journalctl -u wasmp2pchat -o cat | grep "'final-sigterm' timed out"; then exit 1; fi

# What cannot be is said where an operator looks.
echo WASMP2PCHAT_TURN_RELAY_PORTS=nine >>/etc/wasmp2pchat/.env
if systemctl restart $service; then exit 1; fi
journalctl -u wasmp2pchat -o cat | grep -q 'TURN_RELAY_PORTS: read "nine"'

# It goes as docs/deploy.md says, and leaves nothing.
systemctl disable --now wasmp2pchat.socket
systemctl disable --now wasmp2pchat.service
rm -r /etc/systemd/system/wasmp2pchat.s* /etc/wasmp2pchat /usr/local/bin/wasmp2pchat
systemctl daemon-reload
rm -r /var/lib/private/wasmp2pchat /var/lib/wasmp2pchat
if grep wasmp2pchat /etc/passwd /etc/group; then exit 1; fi

echo 'all is well'
