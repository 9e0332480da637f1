#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The preload library: what becomes a window, what does not, and that programs
# can't tell.
# shellcheck disable=SC2154 # tools is helper's, stderr is set by run
bats_require_minimum_version 1.8.0
load helper

setup()
{
	need_device
}

# A probe as it is and under the shim; its output must be the same. What its
# memory was goes to $kinds, in words.
both()
{
	local plain
	run -0 --separate-stderr shim-probe "$@"
	plain=$output
	kinds_are plain
	run -0 --separate-stderr mshare-ctl shim -- shim-probe "$@"
	assert_equal "$output" "$plain"
}

# Each line that a probe wrote on stderr is the word $1, and there is one.
kinds_are()
{
	assert_equal "$(sort -u <<<"$stderr")" "$1"
}

without_device()
{
	unshare --mount -- sh -c 'mount -t tmpfs none /run && mkdir /run/dev &&
		mknod -m 666 /run/dev/null c 1 3 && mount --bind /run/dev /dev && exec "$@"' sh "$@"
}

as_nobody()
{
	setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
}

# Processes that hold 64 MiB as a window, to look at from outside.
hold_window()
{
	mshare-ctl shim -- shim-probe hold >"$BATS_TEST_TMPDIR/held" 2>&1 3>&- &
	holders+=("$!")
	holder=$!
	wait_for 'grep -q ready "$BATS_TEST_TMPDIR/held"'
}

teardown()
{
	drop_holders
}

@test "large shared anonymous memory is a window, and is the program's" {
	both window
	kinds_are window
	assert_line "errno 77, fds 0"
	assert_line "zeroes 1"
	assert_line "kept 1"
	both window 1200000000
	kinds_are window
}

@test "munmap by the length that was asked for leaves nothing" {
	both window 16781312
	assert_line "munmap 0 errno 77 left 0"
	both window 16777217
	assert_line "munmap 0 errno 77 left 0"
}

@test "maps and list name it, though no fd is open" {
	hold_window
	run -0 grep -c -e 'anon_inode:\[ptshare\]$' -e '/memfd:ptshare-shim (deleted)$' "/proc/$holder/maps"
	assert_output 2
	run bash -c 'ls -l /proc/$0/fd | grep -c -e ptshare -e memfd' "$holder"
	assert_output 0
	ctl list -rno ID,HOLDERS
	assert_success
	assert_output "$(awk '/\[ptshare\]/ { print $5 }' "/proc/$holder/maps") $holder"
}

@test "a window keeps its container and its memory, without any fd" {
	hold_window
	local shmem
	shmem=$(awk '/^Shmem:/ { print $2 }' /proc/meminfo)
	[ "$shmem" -ge 65536 ]
	drop_holders
	wait_for '[ "$(awk "/^Shmem:/ { print \$2 }" /proc/meminfo)" -le $((shmem - 65536)) ]'
}

@test "fork hands it on, and both sides see what is written" {
	both forks
	kinds_are window
	assert_line "failed 0, grandchild 2"
	assert_line "failed 0, parent has 1"
}

@test "50 children that read 64 MiB cost next to no page tables" {
	# kill 0 shall not reach bats
	run setsid -w shim-probe crowd 50
	local plain=${lines[-1]}
	[ "$plain" -ge $((50 * 128)) ] || fail "plain: $plain kB"
	run setsid -w mshare-ctl shim -- shim-probe crowd 50
	assert_line window
	[ "${lines[-1]}" -le $((plain / 20)) ] || fail "plain $plain kB, with the shim ${lines[-1]} kB"
}

@test "parts: unmapped, protected, moved, mapped over, advised" {
	both parts
	kinds_are window
	assert_line "left 0"
}

@test "memory of other kinds has the same lines in maps" {
	local plain
	run -0 shim-probe untouched
	plain=$output
	assert_line "memfd: 67108864 rw-s /memfd:mine (deleted)"
	run -0 mshare-ctl shim --require -- shim-probe untouched
	assert_equal "$output" "$plain"
}

@test "--min moves the floor" {
	run -0 --separate-stderr mshare-ctl shim --min 128M -- shim-probe window
	kinds_are plain
	run -0 --separate-stderr mshare-ctl shim -m 64M -- shim-probe window
	kinds_are window
	run -0 --separate-stderr env PTSHARE_PRELOAD_MIN=1G mshare-ctl shim -- shim-probe window
	kinds_are plain
}

@test "an address hint is honoured" {
	both hint
	kinds_are window
	assert_output "0x600000200000 0"
}

@test "MAP_32BIT is honoured, and the low addresses are not used up" {
	both low
	kinds_are window
	assert_output $'low 1\nlow 1\nlow 1\nmunmap 0'
}

@test "MAP_POPULATE faults it in" {
	both populate
	kinds_are window
	assert_output "few faults 1"
}

@test "threads that map and unmap, fork in the middle, signal handlers" {
	run -0 --separate-stderr timeout -s KILL 120 mshare-ctl shim -- shim-probe threads 5
	assert_output "bad 0, fds 0"
	assert_equal "$stderr" ""
}

@test "more mappings than it keeps: the others are ordinary, with one warning" {
	run -0 --separate-stderr mshare-ctl shim -- shim-probe slots 300
	assert_output "bad 0 left 0"
	assert_equal "$(grep -c 'libptshare-preload: .*: too many of them' <<<"$stderr")" 1
	assert_equal "$(wc -l <<<"$stderr")" 1
}

@test "no device: inert, the same errno and contents" {
	run -0 --separate-stderr without_device env LD_PRELOAD="$tools/preload/libptshare-preload.so" shim-probe window
	assert_line "errno 77, fds 0"
	assert_line "munmap 0 errno 77 left 0"
	assert_equal "$stderr" "libptshare-preload: no container for 64M of shared memory: this kernel has no ptshare, or /dev/ptshare is missing; it stays as it was
plain"
}

@test "no permission: inert, and one warning for many children" {
	run -0 --separate-stderr as_nobody env LD_PRELOAD="$tools/preload/libptshare-preload.so" "$(command -v shim-probe)" many 20
	assert_output "failed 0"
	assert_equal "$stderr" "libptshare-preload: no container for 64M of shared memory: Permission denied; it stays as it was"
}

@test "shim without the device: one message for all commands, which run" {
	run -0 --separate-stderr without_device mshare-ctl shim -- sh -c 'shim-probe many 3; shim-probe window'
	assert_line "failed 0"
	assert_line "kept 1"
	assert_error "shim: /dev/ptshare is missing, though the kernel has it"
	assert_hint "the command runs without containers"
	assert_equal "$(grep -c libptshare-preload <<<"$stderr")" 0
}

@test "require: no device, and the command is not started" {
	run -125 --separate-stderr without_device mshare-ctl shim --require -- echo started
	assert_output ""
	assert_error "shim: /dev/ptshare is missing, though the kernel has it"
}

@test "require: ends the program at the first mapping that it can't serve" {
	run -125 --separate-stderr as_nobody env PTSHARE_PRELOAD=require \
		LD_PRELOAD="$tools/preload/libptshare-preload.so" "$(command -v shim-probe)" window
	assert_output ""
	assert_equal "$stderr" "libptshare-preload: no container for 64M of shared memory: Permission denied; ending, as PTSHARE_PRELOAD=require"
	# what is not for containers, or fails anyway, is no reason
	run -0 as_nobody env PTSHARE_PRELOAD=require \
		LD_PRELOAD="$tools/preload/libptshare-preload.so" "$(command -v shim-probe)" untouched
}

@test "off: inert and silent" {
	run -0 --separate-stderr env PTSHARE_PRELOAD=off LD_PRELOAD="$tools/preload/libptshare-preload.so" shim-probe window
	assert_equal "$stderr" plain
}

@test "words that it does not know: one warning, and the defaults" {
	run -0 --separate-stderr env PTSHARE_PRELOAD=always PTSHARE_PRELOAD_MIN=many \
		LD_PRELOAD="$tools/preload/libptshare-preload.so" shim-probe window
	assert_equal "$stderr" "libptshare-preload: PTSHARE_PRELOAD is 'always', none of auto, require, off
window"
}

@test "RLIMIT_FSIZE and RLIMIT_NOFILE: no signal, ordinary memory" {
	run -0 --separate-stderr mshare-ctl shim -- shim-probe limits
	assert_output alive
	assert_equal "$stderr" "libptshare-preload: no container for 64M of shared memory: File too large; it stays as it was
plain"
}

@test "a sandbox that the program sets is left alone" {
	run -0 --separate-stderr mshare-ctl shim -- shim-probe seccomp
	assert_output "munmap 0"
	assert_equal "$stderr" "window
libptshare-preload: no container for 64M of shared memory: Operation not permitted; it stays as it was"
}

@test "set-uid programs take nothing from the environment" {
	local dir
	dir=$(mktemp -d /tmp/shim.XXXXXX)
	cp "$(command -v shim-probe)" "$dir/probe"
	chown 65534 "$dir/probe"
	chmod 4755 "$dir/probe"
	chmod 755 "$dir"
	run -0 --separate-stderr setpriv --reuid=1000 --regid=1000 --clear-groups \
		env PTSHARE_PRELOAD=require LD_PRELOAD="$tools/preload/libptshare-preload.so" "$dir/probe" window
	kinds_are plain
	rm -rf "$dir"
}
