#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Usage: mtas.sh DIR
#
# Unpacks Debian's Postfix and Sendmail below DIR, side by side. Their packages
# conflict with each other, and installing either would put a mail server on
# the machine, so they are never installed: the tests run them from here, each
# with a queue and a configuration of its own. What was unpacked once is kept.
#
# Both want system users to exist; as root, those that Debian's packages would
# make are made. Without root the tests that need them say so and are skipped.

set -eu

dir=$1
arch=$(dpkg --print-architecture)

unpack() {
	name=$1
	shift
	[ -e "$dir/$name/.done" ] && return
	rm -rf "$dir/$name" "$dir/$name.debs"
	mkdir -p "$dir/$name" "$dir/$name.debs"
	# As root, apt fetches as user _apt, who must be able to write here.
	if [ "$(id -u)" = 0 ] && id _apt >/dev/null 2>&1; then
		chown _apt "$dir/$name.debs"
	fi
	(cd "$dir/$name.debs" && apt-get -q download "$@")
	for deb in "$dir/$name.debs"/*.deb; do
		dpkg-deb -x "$deb" "$dir/$name"
	done
	rm -rf "$dir/$name.debs"
	# Nothing that lies in a build tree should give anyone rights.
	find "$dir/$name" -type f -perm /6000 -exec chmod ug-s {} +
	echo "$arch" >"$dir/$name/.done"
}

system_group() {
	getent group "$1" >/dev/null || groupadd --system "$1"
}

system_user() {
	system_group "$1"
	getent passwd "$1" >/dev/null || useradd --system --gid "$1" \
		--home-dir /nonexistent --no-create-home \
		--shell /usr/sbin/nologin "$1"
}

unpack postfix postfix
unpack sendmail sendmail-bin sendmail-base sendmail-cf
if [ "$(id -u)" = 0 ]; then
	system_user postfix
	system_group postdrop
	system_user smmsp
fi
