#!/bin/sh -e
# What systemd does with a unit, as far as a server needs it to start: the settings,
# the folder, a user who is not root, and the capabilities. The rest of the unit is
# held by others' tests.
case "$1" in
start | restart) ;;
*) exit 0 ;;
esac
value() { sed -n "s/^$1=//p" "/etc/systemd/system/$2" | sed 's|%S|/var/lib|g; s|%t|/run|g'; }
for file in $(value EnvironmentFile "$2"); do
	set -a
	. "$file"
	set +a
done
for setting in $(value Environment "$2"); do
	export "$setting"
done
for dir in $(value StateDirectory "$2"); do
	mkdir -p "/var/lib/$dir"
	chown nobody "/var/lib/$dir"
done
for dir in $(value RuntimeDirectory "$2"); do
	mkdir -p "/run/$dir"
	chown nobody "/run/$dir"
	chmod 0700 "/run/$dir"
done
value ExecStartPre "$2" | sed 's/^+//' | sh -e # as root
caps=-all
for cap in $(value AmbientCapabilities "$2"); do
	caps=$caps,+$(echo "${cap#CAP_}" | tr A-Z a-z)
done
cd /
setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs \
	--inh-caps="$caps" --ambient-caps="$caps" --bounding-set="$caps" $(value ExecStart "$2") &
