#!/bin/sh
# Installs what the tests of test/npm use weft-client with, React, TypeScript and the newest
# Node among it, from npm, and prints their folder.
set -eu
. "$(dirname "$0")/clients.sh"

begin npm
echo "npm: installing what weft-client is used with into $home" >&2
install_drivers "those of npm" ""
finish
