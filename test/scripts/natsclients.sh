#!/bin/sh
# Installs the NATS clients that the tests of test/natsclients use, the nats command,
# nats.js and nats-py, from the Go proxy, npm and PyPI, and prints their folder.
set -eu
. "$(dirname "$0")/clients.sh"

cli=github.com/nats-io/natscli/nats@v0.5.1
begin natsclients "$cli"
echo "natsclients: installing the nats command, nats.js and nats-py into $home" >&2
install "$cli" env GOBIN="$work/home/bin" CGO_ENABLED=0 GOFLAGS= go install "$cli"
install_drivers nats.js nats-py
finish
