#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Usage: sh tests/lib/axe.sh DIR
#
# Fetches axe-core (https://github.com/dequelabs/axe-core), which judges how
# accessible a page is, into DIR by npm, unless it is there. The browser test of
# the report looks in build/axe, or where POSTERN_AXE says.
set -eu

version=4.10.2
dir=${1:?usage: axe.sh DIR}
[ ! -f "$dir/node_modules/axe-core/axe.min.js" ] || exit 0
mkdir -p "$dir"
npm install --silent --no-audit --no-fund --no-save --prefix "$dir" \
	"axe-core@$version"
