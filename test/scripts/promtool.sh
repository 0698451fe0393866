#!/bin/sh
# Prints the path of promtool, which checks metrics and alerts. One that is
# installed will do; else it is taken out of Debian's package prometheus, which is
# not installed: that would start a server. A second call finds it in the cache
# folder and needs no network.
set -eu

if command -v promtool; then
	exit 0
fi
cache=${WEFT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weft}
tool=$cache/promtool
if [ -x "$tool" ]; then
	echo "$tool"
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "promtool: error: there is none, and this is no Debian or Ubuntu" >&2
	echo "promtool: hint: install Prometheus, or put promtool on the PATH" >&2
	exit 1
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/promtool.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
echo "promtool: fetching it into $tool" >&2
root=
[ "$(id -u)" -eq 0 ] || root=sudo
# The package lists of a fresh image are empty or old, so they are fetched when
# the package is not found.
again=$(cd "$(dirname "$0")" && pwd)/again.sh
if ! (cd "$work" && { apt-get -q download prometheus || "$again" sh -c "$root apt-get -q update && apt-get -q download prometheus"; }) >"$work/log" 2>&1; then
	cat "$work/log" >&2
	echo "promtool: error: could not fetch Debian's package prometheus" >&2
	exit 1
fi
dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$work" ./usr/bin/promtool
mv "$work/usr/bin/promtool" "$tool"
echo "$tool"
