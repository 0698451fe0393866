#!/bin/sh
# Installs what the tests need and a fresh Debian lacks: a C compiler for the
# race detector, Java and Maven for the Kafka broker, Chromium for the browser
# tests, Firefox and the MiniBrowser of WebKitGTK, with an X server, for test/engines,
# iproute2 and HAProxy for those that cut the network, nginx and Caddy for those of
# proxies, systemd for the unit's, Node.js and Python for the clients of NATS and of
# Server-Sent Events, which natsclients.sh and sseclients.sh install; npm.sh installs what
# weft-client is used with, openapi.sh what asks nodes by their documents, proxies.sh Envoy. Quiet and quick when
# everything is there. On other systems it says what is missing and leaves the installing to
# you. promtool is put into the cache folder.
set -eu
here=$(dirname "$0")

missing=
need() { # need <package> <command or file>...: any one of them will do
	package=$1
	shift
	for it in "$@"; do
		case $it in
		/*) [ -e "$it" ] && return 0 ;;
		*) command -v "$it" >/dev/null 2>&1 && return 0 ;;
		esac
	done
	missing="$missing $package"
}

need gcc gcc cc clang
if [ "$(uname -s)" = Linux ]; then
	need libc6-dev /usr/include/stdlib.h
fi
need openjdk-17-jre-headless java
need maven mvn
need chromium chromium chromium-browser google-chrome google-chrome-stable
if [ "$(uname -s)" = Linux ]; then
	need iproute2 ip /usr/sbin/ip
	need systemd systemd-analyze
fi
if [ "$(uname -s)" = Linux ]; then
	need firefox-esr firefox-esr firefox
	need libwebkit2gtk-4.1-0 /usr/lib/*/webkit2gtk-4.1/MiniBrowser
	need xvfb Xvfb
fi
need haproxy haproxy /usr/sbin/haproxy
need nginx nginx /usr/sbin/nginx
need caddy caddy
need nodejs node
need npm npm
need python3 python3
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"

rest() { # what is no package of the system
	"$here/promtool.sh" >/dev/null
	"$here/natsclients.sh" >/dev/null
	"$here/openapi.sh" >/dev/null
	"$here/sseclients.sh" >/dev/null
	"$here/npm.sh" >/dev/null
	"$here/proxies.sh" >/dev/null
}
if [ -z "$missing" ]; then
	rest
	exit 0
fi

if ! command -v apt-get >/dev/null 2>&1; then
	echo "prepare: missing:$missing" >&2
	echo "prepare: hint: this is no Debian or Ubuntu; install the like of these packages, then try again" >&2
	exit 1
fi

root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "prepare: missing:$missing" >&2
		echo "prepare: hint: run as root: apt-get install --no-install-recommends$missing" >&2
		exit 1
	fi
	root=sudo
fi

echo "prepare: installing$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists of a fresh image are empty or old, so they are fetched once. $missing is a
# list of words.
if ! "$here/again.sh" sh -c "$root apt-get -q update &&
	$root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install $missing" >"$log" 2>&1; then
	cat "$log" >&2
	echo "prepare: error: could not install$missing" >&2
	exit 1
fi
rest
