#!/bin/sh
# Installs the clients of Server-Sent Events and WebSocket that the tests of test/sseclients use, from npm
# and PyPI, and prints their folder.
set -eu
. "$(dirname "$0")/clients.sh"

begin sseclients
echo "sseclients: installing clients of Server-Sent Events and WebSocket into $home" >&2
install_drivers "those of npm" "those of PyPI"
finish
