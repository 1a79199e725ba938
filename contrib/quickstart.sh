#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Usage: sh contrib/quickstart.sh
#
# Builds Postern and shows it at work, without an AWS account and without
# touching anything outside this tree and a directory below /tmp:
#
#	swaks --LMTP--> posternd --SMTP, TLS--> postern-sandbox
#
# swaks stands for your mail server, postern-sandbox for Amazon SES. Reading
# this file from top to bottom is a good way to see what a set-up consists of.

set -eu
cd "$(dirname "$0")/.."
top=$(pwd)

say() {
	printf '\n== %s\n\n' "$*"
}

die() {
	echo "quickstart: $*" >&2
	exit 1
}

# Show a command as one would type it, then run it.
run() {
	printf '$'
	for word; do
		case $word in
		*[\ \;]*) printf " '%s'" "$word" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
	echo
	"$@"
}

#
# 1. Build. On Debian, what is missing is installed (as root).
#

say "Building in build/quickstart"

sh contrib/install-missing.sh autoconf automake make pkg-config gcc libc6-dev \
	libssl-dev libsqlite3-dev libconfuse-dev libidn2-dev libmilter-dev swaks

[ -x configure ] || ./autogen.sh >/dev/null 2>&1 || die "./autogen.sh failed"
mkdir -p build/quickstart
(
	cd build/quickstart
	[ -f Makefile ] || "$top/configure"
	make -j"$(getconf _NPROCESSORS_ONLN)"
) >build/quickstart.log 2>&1 || {
	tail -n 30 build/quickstart.log
	die "the build failed, see build/quickstart.log"
}
PATH=$top/build/quickstart:$top/build/quickstart/cli:$PATH
postern --version

#
# 2. A private directory, and an end that stops what was started.
#

dir=$(mktemp -d /tmp/postern.XXXXXX)
sandbox=
posternd=
stop() {
	for pid in $posternd $sandbox; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
	done
	rm -rf "$dir"
}
trap stop EXIT
trap 'exit 1' HUP INT TERM

# Wait until a file or a socket is there, as long as its maker lives.
wait_for() {
	while [ ! -e "$1" ]; do
		kill -0 "$2" 2>/dev/null || {
			cat "$3"
			die "it did not start"
		}
		sleep 0.1
	done
}

#
# 3. An SES: a new account, in SES's sandbox (1 recipient a second, 200 a day,
#    only verified recipients), with one domain and one address verified.
#

say "postern-sandbox, which behaves as Amazon SES does"

postern-sandbox --state "$dir/ses" --ready "$dir/ses.json" --starttls-port 0 \
	--wrapper-port 0 --identity example.com --identity friend@example.net \
	>"$dir/ses.log" 2>&1 &
sandbox=$!
wait_for "$dir/ses.json" $sandbox "$dir/ses.log"
port=$(sed -n 's/.*"starttls_port":\([0-9]*\).*/\1/p' "$dir/ses.json")
echo "listening on localhost:$port"

#
# 4. posternd: a configuration, the SMTP credentials, the verified identities.
#    With a real SES the first two keys are all that differ, see the end.
#

say "posternd and its configuration"

# Started as root, posternd becomes somebody else: here "nobody", on a real
# host "postern". All that it reads and writes must be that user's.
user=$(id -un)
[ "$(id -u)" != 0 ] || user=nobody
mkdir "$dir/run" "$dir/store"
cp "$dir/ses/credentials" "$dir/credentials"
chmod 600 "$dir/credentials"
printf 'example.com\nfriend@example.net\n' >"$dir/identities"

cat >"$dir/postern.conf" <<END
ses {
	endpoint    = {localhost:$port}
	ca-file     = $dir/ses/ca.pem
	region      = us-east-1
	credentials = $dir/credentials
}
quota { daily = 200 rate = 1 }
identities { file = $dir/identities }
lmtp { listen = {unix:$dir/run/lmtp.sock:0666} }
store { path = $dir/store/postern.db }
daemon { user = $user control = $dir/run/control.sock }
log { to = stderr }
END
cat "$dir/postern.conf"

chmod 755 "$dir" "$dir/ses"
if [ "$(id -u)" = 0 ]; then
	chown "$user" "$dir/run" "$dir/store" "$dir/credentials"
fi
posternd -c "$dir/postern.conf" >"$dir/posternd.log" 2>&1 &
posternd=$!
wait_for "$dir/run/lmtp.sock" $posternd "$dir/posternd.log"

#
# 5. Mail. The recipients in example.com and friend@example.net are verified,
#    stranger@example.org is not: each gets an answer of its own.
#

say "Mail by LMTP, to three verified recipients and one who is not"

# swaks ends with an error when any recipient was refused, as one is here.
run swaks --protocol LMTP --socket "$dir/run/lmtp.sock" \
	--from sender@example.com \
	--to anna@example.com,stranger@example.org,bert@example.com,friend@example.net \
	--header 'Subject: Through the back gate' \
	--body 'Hello.' --suppress-data || true

#
# 6. What the journal says about it.
#

say "What happened to whom"
run postern -c "$dir/postern.conf" log

say "What is left of the day"
run postern -c "$dir/postern.conf" quota

say "One message's whole story"
id=$(sed -n 's/.* id=\([^ ]*\) event=received .*/\1/p' "$dir/posternd.log" |
	head -n 1)
run postern -c "$dir/postern.conf" show "$id"

say "Has anybody changed the journal?"
run postern -c "$dir/postern.conf" verify

#
# 7. The real thing.
#

stop
trap - EXIT
say "That was all on this machine; both daemons are stopped"

cat <<END
To send through your own SES account, follow README from "Install" on: it
builds for your system (what was built here is for trying it out), and names
what is yours to fill in. Once the account is out of the SES sandbox, that is

    ses { endpoint = {email-smtp.REGION.amazonaws.com:587} ... }
    quota { daily = 50000 rate = 14 }
    identities { ... sandbox = no }

"postern check" says what is still wrong, and README has the lines for Postfix
and for Sendmail.
END
