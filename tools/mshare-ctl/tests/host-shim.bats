#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# shim and the preload library, where there are no containers.
# shellcheck disable=SC2154 # tools is helper's, stderr is set by run
bats_require_minimum_version 1.8.0
load helper

library=$tools/preload/libptshare-preload.so

@test "the library stands before these functions, and needs libc alone" {
	run -0 bash -c 'nm -D --defined-only "$0" | cut -d" " -f3 | xargs' "$library"
	assert_output "madvise mmap mmap64 mprotect mremap munmap"
	run -0 bash -c 'readelf -d "$0" | sed -n "s/.*NEEDED.*\[\(.*\)\]/\1/p"' "$library"
	assert_output "libc.so.6"
}

@test "bad usage is 125, as its own errors are" {
	for args in "" "--min" "--min x -- true" "-m 1X -- true" "--frobnicate -- true" "-- "; do
		# shellcheck disable=SC2086 # a list of words
		ctl shim $args
		assert_failure 125
		assert_hint "see 'mshare-ctl help shim'"
	done
	ctl shim -m 1X -- true
	assert_error "shim: min '1X' is no size"
}

@test "no kernel: one error and hint, and the command runs" {
	need_no_device
	# shellcheck disable=SC2016
	ctl shim -m 64M -- sh -c 'echo "$PTSHARE_PRELOAD $PTSHARE_PRELOAD_MIN"; exit 7'
	assert_failure 7
	assert_output "off 64M"
	assert_error "shim: this kernel has no ptshare: /dev/ptshare is missing"
	assert_hint "the command runs without containers"
}

@test "no kernel and --require: the command does not run" {
	need_no_device
	ctl shim --require -- echo started
	assert_failure 125
	assert_output ""
	PTSHARE_PRELOAD=require ctl shim -- echo started
	assert_failure 125
	assert_output ""
}

@test "126 not executable, 127 not found" {
	ctl shim -- /etc/passwd
	assert_failure 126
	[[ $stderr == *"mshare-ctl: shim: /etc/passwd: Permission denied"* ]]
	run -127 --separate-stderr mshare-ctl shim /nonexistent/command
	[[ $stderr == *"mshare-ctl: shim: /nonexistent/command: No such file or directory"* ]]
}

@test "LD_PRELOAD: the library, and whatever was there behind it" {
	# shellcheck disable=SC2016
	ctl shim -- sh -c 'echo "$LD_PRELOAD"'
	assert_output "$library"
	# shellcheck disable=SC2016
	LD_PRELOAD=libm.so.6 ctl shim -- sh -c 'echo "$LD_PRELOAD"'
	assert_output "$library:libm.so.6"
}

@test "it is found beside the installed command, too" {
	mkdir -p "$BATS_TEST_TMPDIR/p/bin" "$BATS_TEST_TMPDIR/p/lib/ptshare"
	cp "$tools/mshare-ctl" "$BATS_TEST_TMPDIR/p/bin"
	run -125 "$BATS_TEST_TMPDIR/p/bin/mshare-ctl" shim -- true
	assert_output --partial "libptshare-preload.so is not installed in "
	cp "$library" "$BATS_TEST_TMPDIR/p/lib/ptshare"
	# shellcheck disable=SC2016
	run --separate-stderr "$BATS_TEST_TMPDIR/p/bin/mshare-ctl" shim -- sh -c 'echo "$LD_PRELOAD"'
	assert_output "$BATS_TEST_TMPDIR/p/bin/../lib/ptshare/libptshare-preload.so"
	mv "$BATS_TEST_TMPDIR/p" "$BATS_TEST_TMPDIR/p q"
	run -125 --separate-stderr "$BATS_TEST_TMPDIR/p q/bin/mshare-ctl" shim -- true
	assert_error "shim: $BATS_TEST_TMPDIR/p q/bin/../lib/ptshare/libptshare-preload.so: LD_PRELOAD can't have such a path"
}

@test "inert: a program does the same with the library and without" {
	need_no_device
	for probe in window forks parts hint untouched populate limits seccomp; do
		run -0 --separate-stderr shim-probe $probe
		local plain=$output
		run -0 --separate-stderr env LD_PRELOAD="$library" shim-probe $probe
		assert_equal "$output" "$plain"
	done
}

@test "one warning for a program and its children" {
	need_no_device
	run -0 --separate-stderr env LD_PRELOAD="$library" shim-probe many 10
	assert_equal "$stderr" "libptshare-preload: no container for 64M of shared memory: this kernel has no ptshare, or /dev/ptshare is missing; it stays as it was"
}

@test "a warning that nobody reads does not end the program" {
	need_no_device
	# shellcheck disable=SC2016
	run -0 bash -c 'set -o pipefail; (sleep 0.5; LD_PRELOAD=$0 shim-probe slots 1 2>&1 >/dev/null) | true' "$library"
}

@test "require: one line, and status 125" {
	need_no_device
	run -125 --separate-stderr env PTSHARE_PRELOAD=require LD_PRELOAD="$library" shim-probe window
	assert_output ""
	assert_equal "$stderr" "libptshare-preload: no container for 64M of shared memory: this kernel has no ptshare, or /dev/ptshare is missing; ending, as PTSHARE_PRELOAD=require"
}
