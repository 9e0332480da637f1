#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns build/tools, build/install (what the guest finds first in PATH) and
# build/kselftest.  Builds mshare-ctl and the test programs.
#
# usage: tools.sh [install]	(install: to DESTDIR)
set -eu
. "$(dirname "$0")/lib.sh"

ctl=$top/tools/mshare-ctl

ctl_make()
{
	make -s -C "$ctl" -j"$jobs" O="$build/tools" PREFIX=/usr "$@" >&2
}

# The kernel's headers as a C library would have them, for the tests.
headers()
{
	local want

	want=$(cat "$build/linux-orig.from"; cd "$top"; find include/uapi -type f -exec sha256sum {} + | sort)
	[ "$want" != "$(cat "$build/headers/.stamp" 2>/dev/null)" ] || return 0
	quiet "$build/headers.log" make -C "$linux" O="$build/headers.o" ARCH=x86 \
		INSTALL_HDR_PATH="$build/headers" headers_install
	printf '%s\n' "$want" >"$build/headers/.stamp"
}

kselftest()
{
	local src=$linux/tools/testing/selftests/ptshare

	[ -f "$src/Makefile" ] || return 0
	headers
	mkdir -p "$build/kselftest/ptshare"
	quiet "$build/kselftest.log" make -C "$src" -j"$jobs" \
		KHDR_INCLUDES="-isystem $build/headers/include" \
		OUTPUT="$build/kselftest/ptshare" all || die "the test programs do not build"
	! grep -E 'warning:' "$build/kselftest.log" >&2 || true
	cp -p "$src"/*.sh "$build/kselftest/ptshare/" 2>/dev/null || true
}

# A program with a directory and a Makefile of its own.
part()
{
	local name=$1 src=$linux/tools/testing/selftests/ptshare/$1
	local out=$build/kselftest/ptshare/$1

	[ -f "$src/Makefile" ] || return 0
	mkdir -p "$out"
	quiet "$build/make.$name.log" make -C "$src" -j"$jobs" \
		KHDR_INCLUDES="-isystem $build/headers/include" \
		OUTPUT="$out" all || die "$name does not build"
	! grep -E 'warning:' "$build/make.$name.log" >&2 || true
}

# ptbench for `make bench`, ptfuzz for `make fuzz` with the programs to begin with.
parts()
{
	part bench
	part fuzz
	rsync -r --delete "$linux/tools/testing/selftests/ptshare/fuzz/corpus" \
		"$build/kselftest/ptshare/fuzz/"
}

lock tools
if [ "${1:-}" = install ]; then
	[ -f "$ctl/Makefile" ] || die "no tools here yet"
	ctl_make install DESTDIR="${DESTDIR:-}"
	exit 0
fi
if [ -f "$ctl/Makefile" ]; then
	ctl_make all
	ctl_make install DESTDIR="$build/install"
fi
kselftest
parts
