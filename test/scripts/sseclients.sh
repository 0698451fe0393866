#!/bin/sh
# Installs the clients of Server-Sent Events that the tests of test/sseclients use, from npm
# and PyPI into a cache folder, and prints the folder. A second call finds them there and
# needs no network. Two calls at once do not harm each other: each installs into a folder of
# its own and the first to finish puts it in place.
set -eu

drivers=$(cd "$(dirname "$0")/../sseclients/drivers" && pwd)
cache=${WEFT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weft}
# Other versions go into another folder.
pinned=$({
	echo "$(node --version)" "$(python3 --version)"
	cat "$drivers/package-lock.json" "$drivers/requirements.txt"
} | cksum | cut -d ' ' -f 1)
home=$cache/sseclients-$pinned

if [ -e "$home/COMPLETE" ]; then
	echo "$home"
	exit 0
fi

mkdir -p "$cache"
work=$(mktemp -d "$cache/sseclients-$pinned.XXXXXX")
trap 'rm -rf "$work"' EXIT

install() { # install <what> <command>...
	what=$1
	shift
	if ! "$@" >"$work/log" 2>&1; then
		cat "$work/log" >&2
		echo "sseclients: error: could not install $what" >&2
		exit 1
	fi
}

echo "sseclients: installing clients of Server-Sent Events into $home" >&2
mkdir "$work/home"
cp "$drivers/package.json" "$drivers/package-lock.json" "$work/home"
install "those of npm" npm ci --prefix "$work/home" --ignore-scripts --no-audit --no-fund
# No virtual environment: it would hold the path that it was made at.
install pip python3 -m venv "$work/venv"
install httpx-sse "$work/venv/bin/pip" install --disable-pip-version-check --require-hashes --no-deps \
	--target "$work/home/python" -r "$drivers/requirements.txt"
touch "$work/home/COMPLETE"

# rename(2) does not replace a folder that has something in it: when another call
# was quicker its folder stays.
if ! [ -e "$home/COMPLETE" ]; then
	rm -rf "$home"
	mv -T "$work/home" "$home" 2>/dev/null || [ -e "$home/COMPLETE" ]
fi
echo "$home"
