#!/bin/sh
# Installs what the tests of test/openapi check documents and nodes with, schemathesis and
# openapi-spec-validator of PyPI, and prints their folder.
set -eu
. "$(dirname "$0")/clients.sh"

begin openapi
echo "openapi: installing schemathesis into $home" >&2
install_drivers "" schemathesis
finish
