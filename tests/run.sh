#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Usage: sh tests/run.sh [--all] [TEST...]
#
# Builds and tests. Without --all: one build, gcc with OpenSSL. With it also
# gcc with GnuTLS under the address and undefined behaviour sanitizers, clang
# with OpenSSL under the thread sanitizer (without tests that have no threads),
# the fuzz targets for a while each, and "make distcheck". Warnings are errors
# everywhere.
#
# TEST... are files below tests/protocol and tests/integration, or whatever
# else pytest takes; unit tests and the rest are left out then.
#
# What is missing on a Debian system is installed (as root), see
# contrib/install-missing.sh. Builds lie in build/ and are made anew only where
# something changed; so do the logs. The last line is "N passed, N failed".

set -u
cd "$(dirname "$0")/.." || exit 1
top=$(pwd)
python=/usr/bin/python3
[ -x "$python" ] || python=python3

all=false
case "${1-}" in
--all)
	all=true
	shift
	;;
--help | -h)
	sed -n '4,/^$/s/^# \{0,1\}//p' "$0"
	exit 0
	;;
esac

passed=0
failed=0
jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
# Seconds after which a suite hangs, more likely than not.
limit=900

# A line for each suite: what, how many, how long.
report() {
	passed=$((passed + $2))
	failed=$((failed + $3))
	now=$(date +%s)
	printf '%-40s %4d passed, %d failed%s  (%d s)\n' \
		"$1" "$2" "$3" "${4-}" "$((now - began))"
	began=$now
}

show_end() {
	echo "---- the end of $1:"
	tail -n "${2-40}" "$1"
	echo "----"
}

install_packages() {
	packages="autoconf automake make pkg-config gcc libc6-dev
		libssl-dev libsqlite3-dev libconfuse-dev libidn2-dev
		libmilter-dev libcmocka-dev
		python3 python3-pytest python3-pytest-xdist strace
		sqlite3 openssl mandoc swaks m4
		libdb5.3 libicu72 libnsl2 libsasl2-2 libldap-2.5-0 liblockfile1
		libwrap0 libnss-wrapper libfaketime netbase passwd"
	if $all; then
		packages="$packages clang libclang-rt-14-dev llvm
			libgnutls28-dev xz-utils"
	fi
	sh contrib/install-missing.sh $packages
}

# build DIR CONFIGURE-ARGUMENTS: an out-of-tree build, kept up to date.
build() {
	name=$1
	shift
	B=$top/build/$name
	mkdir -p "$B"
	log=$B/build.log
	if (
		cd "$B" || exit 1
		if [ ! -f Makefile ] || [ "$(cat .arguments 2>/dev/null)" != "$*" ]; then
			"$top/configure" --enable-werror "$@" || exit 1
			echo "$*" >.arguments
		fi
		make -j"$jobs" V=0 all || exit 1
		# Unit tests are part of the build: their warnings count, too.
		[ "$name" = clang-fuzz ] || make -j"$jobs" V=0 check TESTS=
	) >"$log" 2>&1; then
		report "$name: build" 1 0
		return 0
	fi
	report "$name: build" 0 1
	show_end "$log"
	return 1
}

# Unit tests and what else "make check" runs: cmocka counts its own tests, a
# program that does not count as one.
unit() {
	log=$B/check.log
	find "$B" -name '*.trs' -exec rm -f {} +
	(cd "$B" && $wrap timeout -k 10 "$limit" make -j"$jobs" check) \
		>"$log" 2>&1
	status=$?
	counts=$(find "$B" -name '*.trs' | while read -r trs; do
		awk -v result="$(sed -n 's/^:test-result: //p' "$trs" | head -n 1)" '
		/^\[  PASSED  \] [0-9]+ test/ { good += $4; counted = 1 }
		/^\[  FAILED  \] [0-9]+ test/ { bad += $4; counted = 1 }
		END {
			if (result == "PASS" && !counted)
				good = 1
			if (result != "PASS" && result != "SKIP" && !bad)
				bad = 1
			print good + 0, bad + 0
		}' "${trs%.trs}.log"
	done | awk '{ good += $1; bad += $2 } END { print good + 0, bad + 0 }')
	good=${counts% *} bad=${counts#* }
	# A failure that left no count is a failure all the same.
	[ "$status" = 0 ] || [ "$bad" != 0 ] || bad=1
	report "$name: unit" "$good" "$bad"
	if [ "$bad" != 0 ]; then
		show_end "$log" 10
		[ ! -f "$B/test-suite.log" ] || show_end "$B/test-suite.log" 60
	fi
}

man_pages() {
	log=$B/man.log
	good=0 bad=0
	: >"$log"
	for page in "$top"/man/*.[1-9]; do
		[ -f "$page" ] || continue
		if mandoc -T lint -W warning "$page" >>"$log" 2>&1; then
			good=$((good + 1))
		else
			bad=$((bad + 1))
		fi
	done
	report "$name: man pages" "$good" "$bad"
	[ "$bad" = 0 ] || show_end "$log"
}

# python_tests SUITE PARALLEL MARKS PATH...
python_tests() {
	suite=$1 parallel=$2 marks=$3
	shift 3
	log=$B/$(echo "$suite" | tr ' ' '-').log
	# pytest would keep its temporary directories for three runs.
	temporary=$(mktemp -d) || exit 1
	(
		cd tests || exit 1
		export POSTERN_BUILD="$B" POSTERN_MTAS="$top/build/mtas"
		export PYTHONDONTWRITEBYTECODE=1
		$wrap timeout -k 30 "$limit" "$python" -m pytest -q -rfEs \
			--basetemp="$temporary/p" -n "$parallel" -m "$marks" "$@"
	) >"$log" 2>&1
	status=$?
	rm -rf "$temporary"
	summary=$(grep -E '^=*[[:space:]]*[0-9]+ (passed|failed|skipped|error).* in [0-9.]+s' \
		"$log" | tail -n 1)
	count() {
		n=$(echo "$summary" | sed -n "s/.*[^0-9]*\b\([0-9][0-9]*\) $1.*/\1/p")
		echo "${n:-0}"
	}
	good=$(count passed)
	bad=$(($(count failed) + $(count error)))
	skipped=$(count skipped)
	# Status 5: nothing was selected, which is no failure.
	if [ "$status" != 0 ] && [ "$status" != 5 ] && [ "$bad" = 0 ]; then
		bad=1
	fi
	note=
	[ "$skipped" = 0 ] || note=", $skipped skipped"
	report "$name: $suite" "$good" "$bad" "$note"
	[ "$skipped" = 0 ] || grep '^SKIPPED' "$log" | sed 's/^/  /'
	[ "$bad" = 0 ] || show_end "$log" 150
}

fuzz() {
	seconds=20
	work=$B/fuzz
	mkdir -p "$work"
	good=0 bad=0
	list=$(cd "$B" && find tests/fuzz -maxdepth 1 -type f -name 'f_*' -perm -u+x |
		sort)
	# As many at once as there are processors.
	running=0
	for target in $list; do
		base=$(basename "$target")
		(
			mkdir -p "$work/$base"
			seeds=$top/tests/fuzz/$base.seeds
			dict=$top/tests/fuzz/$base.dict
			set --
			[ ! -f "$dict" ] || set -- "-dict=$dict"
			cd "$work/$base" || exit 1
			mkdir -p corpus
			# The same seed each time: what CI finds, everybody
			# finds; longer runs by hand cover new ground.
			"$B/$target" -seed=20261122 \
				-max_total_time=$seconds -timeout=10 \
				-rss_limit_mb=1024 "$@" corpus "$seeds"
			echo "status $?"
		) >"$work/$base.log" 2>&1 &
		running=$((running + 1))
		if [ "$running" -ge "$jobs" ]; then
			wait
			running=0
		fi
	done
	wait
	for target in $list; do
		base=$(basename "$target")
		if [ "$(tail -n 1 "$work/$base.log")" = "status 0" ]; then
			good=$((good + 1))
		else
			bad=$((bad + 1))
			show_end "$work/$base.log"
		fi
	done
	report "$name: fuzz, $seconds s each" "$good" "$bad"
}

distcheck() {
	log=$B/distcheck.log
	if (cd "$B" && timeout -k 10 "$limit" make -j"$jobs" V=0 distcheck \
		DISTCHECK_CONFIGURE_FLAGS=--enable-werror) >"$log" 2>&1; then
		report "$name: distcheck" 1 0
	else
		report "$name: distcheck" 0 1
		show_end "$log"
	fi
}

began=$(date +%s)
wrap=
# A report ends the program with a status that is no other error's.
export ASAN_OPTIONS="halt_on_error=1:detect_stack_use_after_return=1:exitcode=99"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:exitcode=99:suppressions=$top/tests/lib/tsan.supp"

if ! install_packages; then
	report "packages" 0 1
	echo "$passed passed, $failed failed"
	exit 1
fi
mkdir -p build
if ! sh tests/lib/mtas.sh "$top/build/mtas" >build/mtas.log 2>&1; then
	report "unpacking Postfix and Sendmail" 0 1
	show_end build/mtas.log
fi
# Chromium is too large to install for five tests; those who have it run them.
if command -v chromium >/dev/null && command -v npm >/dev/null &&
	! sh tests/lib/axe.sh "$top/build/axe" >build/axe.log 2>&1; then
	show_end build/axe.log
fi
if [ ! -x configure ] && ! ./autogen.sh >build/autogen.log 2>&1; then
	report "autogen.sh" 0 1
	show_end build/autogen.log
fi

# Most tests wait about as long as they work: that many at once leave no processor
# idle. Those that judge pace are not among them.
crowd=$((jobs * 3))
# The protocol tests by themselves, as the sanitizers have them, wait for longer.
large_crowd=$((jobs * 5))
export POSTERN_SANITIZER=
if build gcc-openssl CC=gcc --with-tls=openssl; then
	if [ $# -gt 0 ]; then
		python_tests "chosen tests" "$jobs" "not soak and not bench" "$@"
	else
		unit
		man_pages
		python_tests "protocol and integration" $crowd \
			"not pace and not soak and not bench" protocol integration
		python_tests "pace" 1 "pace and not soak and not bench" protocol
		# These wait more than they work.
		python_tests "pace behind a mail server" "$jobs" \
			"pace and not soak and not bench" integration
		! $all || distcheck
	fi
fi

if $all; then
	export POSTERN_SANITIZER=asan
	if build gcc-gnutls-asan CC=gcc CFLAGS='-g -O1' --with-tls=gnutls \
		--enable-sanitizer=address,undefined; then
		unit
		python_tests "protocol" $large_crowd \
			"not pace and not soak and not bench" protocol
	fi

	export POSTERN_SANITIZER=tsan
	# Memory that is laid out at random in the new way of Linux 6 leaves the
	# thread sanitizer of that time no room.
	setarch -R true 2>/dev/null && wrap="setarch -R"
	if build clang-tsan CC=clang CFLAGS='-g -O1' --with-tls=openssl \
		--enable-sanitizer=thread; then
		unit
		python_tests "protocol" $large_crowd \
			"not single and not pace and not soak and not bench" \
			protocol
	fi
	wrap=

	export POSTERN_SANITIZER=
	if ls tests/fuzz/f_*.c >/dev/null 2>&1; then
		if build clang-fuzz CC=clang CFLAGS='-g -O1' --with-tls=openssl \
			--enable-fuzz; then
			fuzz
		fi
	fi
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
