#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Usage: install-missing.sh PACKAGE...
#
# Installs those Debian packages that are not there yet: as root with apt-get;
# anyone else is told what to install. Does nothing, and takes no time, when
# nothing is missing. On other systems it only names what Debian calls it.

set -u

if ! command -v dpkg-query >/dev/null; then
	echo "Not a Debian system; what is needed goes there by these names:" >&2
	echo "  $*" >&2
	exit 0
fi

missing=
for package; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "Please install these packages, or run this as root:" >&2
	echo "  apt-get install --no-install-recommends$missing" >&2
	exit 1
fi

echo "installing:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
# A machine that nobody prepared has no package lists yet, or stale ones.
if apt-get update >"$log" 2>&1 &&
	apt-get install -y --no-install-recommends $missing >>"$log" 2>&1; then
	exit 0
fi
tail -n 20 "$log" >&2
exit 1
