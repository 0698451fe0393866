# Runs as root beside the unit; each finding is a line of /out/found.
exec >/out/probe.log 2>&1
found() { echo "$@" >>/out/found; }
weft=/usr/local/bin/weft
export WEFT_CONFIG=/etc/weft/weft.yaml

ready() {
	n=0
	until "$weft" health 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 600 ] || return 1
		sleep 0.1
	done
}

ready && found ready
systemctl status weft.service --no-pager -l
systemctl is-active --quiet weft.service || exit 1
pid=$(systemctl show -p MainPID --value weft.service)
id=$(sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$pid/status")
[ "$id" -ge 1000 ] && found "runs as a user of its own"
grep -q '^Seccomp:.2$' "/proc/$pid/status" && found "system calls are filtered"
first=$("$weft" publish --user ann '"first"')
"$weft" publish --user ann '"second"'
export WEFT_TOKEN=$("$weft" token --user ann)
timeout 60 "$weft" listen --last-event-id "$first" --count 1 | grep -q second && found delivered
[ -s /var/lib/weft/node.json ] && found "keeps its data in /var/lib/weft"
systemctl stop weft.service
found "ended with $(systemctl show -p Result --value weft.service)"
systemctl start weft.service
ready && found "ready again"
timeout 60 "$weft" listen --last-event-id "$first" --count 1 | grep -q second && found "delivered after a restart"
systemctl status weft.service --no-pager -l
