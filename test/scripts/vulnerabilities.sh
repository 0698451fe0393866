#!/bin/sh
# Looks for known vulnerabilities in what Weft is made of: govulncheck, which
# reports those whose code is called. What it finds fails. When its database (or
# the tool itself) cannot be fetched, that is said in one line and is no failure: it
# is not to be had everywhere, and says nothing of Weft.
#
# Arguments go to govulncheck; ./... without any. WEFT_VULNDB is another database.
set -eu

# Not a tool in go.mod: what it needs would decide which versions Weft is built of.
version=v1.9.0
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
	echo "vulnerabilities: not looked for: $1" >&2
	exit 0
}

if ! GOBIN=$work test/scripts/again.sh go install "golang.org/x/vuln/cmd/govulncheck@$version" >"$work/log" 2>&1; then
	grep -Eq 'https?://|dial tcp|no such host|proxyconnect|i/o timeout|GOPROXY|module lookup disabled' "$work/log" &&
		skip "govulncheck $version cannot be fetched"
	cat "$work/log" >&2
	exit 1
fi
[ $# -gt 0 ] || set -- ./...
status=0
"$work/govulncheck" -db "${WEFT_VULNDB:-https://vuln.go.dev}" "$@" >"$work/out" 2>"$work/log" || status=$?
case $status in
0) cat "$work/out" ;;
3)
	cat "$work/out"
	echo "vulnerabilities: error: there are some" >&2
	exit 1
	;;
*)
	grep -Eq 'fetching vulnerabilities|vulndb' "$work/log" &&
		skip "the database ${WEFT_VULNDB:-https://vuln.go.dev} cannot be reached"
	cat "$work/out" "$work/log" >&2
	exit 1
	;;
esac
