# What natsclients.sh, sseclients.sh, npm.sh, openapi.sh and proxies.sh, which source it, have in common:
# they install clients that were written elsewhere into a cache folder, and print the folder. A second
# call finds them there and needs no network. Two calls at once do not harm each other: each
# installs into a folder of its own and the first to finish puts it in place.

# begin <name> [<version>]... finds the drivers of test/<name> and the folder, and ends the
# script when all is there. Other versions of what is named or pinned go into another folder.
begin() {
	name=$1
	shift
	drivers=$(cd "$(dirname "$0")/../$name/drivers" && pwd)
	cache=${WEFT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weft}
	pinned=$({
		echo "$@" "$(node --version)" "$(python3 --version)"
		if [ -e "$drivers/package-lock.json" ]; then cat "$drivers/package-lock.json"; fi
		if [ -e "$drivers/requirements.txt" ]; then cat "$drivers/requirements.txt"; fi
	} | cksum | cut -d ' ' -f 1)
	home=$cache/$name-$pinned
	if [ -e "$home/COMPLETE" ]; then
		echo "$home"
		exit 0
	fi
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/$name-$pinned.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir "$work/home"
}

install() { # install <what> <command>...
	what=$1
	shift
	if ! "$(dirname "$0")/again.sh" "$@" >"$work/log" 2>&1; then
		cat "$work/log" >&2
		echo "$name: error: could not install $what" >&2
		exit 1
	fi
}

# install_drivers <of npm> <of PyPI> installs what the drivers need; without package.json that is
# nothing of npm, without requirements.txt nothing of PyPI.
install_drivers() {
	if [ -e "$drivers/package.json" ]; then
		cp "$drivers/package.json" "$drivers/package-lock.json" "$work/home"
		install "$1" npm ci --prefix "$work/home" --ignore-scripts --no-audit --no-fund
	fi
	[ -e "$drivers/requirements.txt" ] || return 0
	# No virtual environment: it would hold the path that it was made at.
	install pip python3 -m venv "$work/venv"
	install "$2" "$work/venv/bin/pip" install --disable-pip-version-check --require-hashes --no-deps \
		--target "$work/home/python" -r "$drivers/requirements.txt"
}

# finish puts the folder in place and prints it.
finish() {
	touch "$work/home/COMPLETE"
	# rename(2) does not replace a folder that has something in it: when another call
	# was quicker its folder stays.
	if ! [ -e "$home/COMPLETE" ]; then
		rm -rf "$home"
		mv -T "$work/home" "$home" 2>/dev/null || [ -e "$home/COMPLETE" ]
	fi
	echo "$home"
}
