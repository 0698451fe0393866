#!/bin/sh
# Runs a command that fetches something, up to four times: a registry that fails once, or is cut
# off for a moment, must not fail a whole run. The last failure is its own.
#
#   test/scripts/again.sh npm ci
set -u

for pause in 2 8 20; do
	"$@" && exit 0
	echo "again: $1 failed with $?; once more in $pause s" >&2
	sleep "$pause"
done
exec "$@"
