#!/bin/sh
# Runs each fuzz target for a while, one after the other. What it finds is written to
# testdata/fuzz beside the target, and fails. An input that is only interesting is made
# smaller for a moment: without a bound that takes most of a short time.
#
#   test/scripts/fuzz.sh 1m            all of them
#   test/scripts/fuzz.sh 10s 'Cursor'  those whose names match
set -eu

time=${1:-1m}
only=${2:-.}
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+\(' . |
	sed -E 's#^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]+)\($#\1 \2#' | sort | grep -E " .*($only)" >"$work/targets" || true
if ! [ -s "$work/targets" ]; then
	echo "fuzz: error: no target matches $only" >&2
	exit 1
fi
failed=
while read -r folder target; do
	echo "fuzz: $target in $folder for $time"
	go test -vet=off -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 100x "$folder" >"$work/out" 2>&1 </dev/null && continue
	# Go before 1.27 now and then fails when the time is over (go.dev/issue/75804).
	if grep -q '^ *context deadline exceeded$' "$work/out" && ! grep -q 'Failing input written' "$work/out"; then
		continue
	fi
	cat "$work/out" >&2
	failed="$failed $target"
done <"$work/targets"
if [ -n "$failed" ]; then
	echo "fuzz: error: failed:$failed" >&2
	exit 1
fi
