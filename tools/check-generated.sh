#!/bin/sh
# Fails when the committed generated code is not what its input gives.
set -eu
cd "$(dirname "$0")"
exec go run ./protogen -check
