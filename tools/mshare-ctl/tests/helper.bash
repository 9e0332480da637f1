# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Shared by the bats files of mshare-ctl.
# shellcheck disable=SC2154 # output and stderr are set by run

bats_load_library bats-support
bats_load_library bats-assert

repo=$(cd "$BATS_TEST_DIRNAME/../../.." && pwd)
tools=${PTSHARE_TOOLS:-$repo/build/tools}
# shellcheck disable=SC2034 # for the tests
ctl_dir=$repo/tools/mshare-ctl
PATH=$tools:$tools/tests:$PATH

# run, with messages in $stderr and tables in $output
ctl()
{
	run --separate-stderr mshare-ctl "$@"
}

# The first line on stderr, which is the error; a hint may follow.
assert_error()
{
	# what watch says when it begins is no error
	assert_equal "$(grep -v ': armed' <<<"$stderr" | head -n 1)" "mshare-ctl: $1"
}

assert_hint()
{
	[[ $stderr == *"hint: $1"* ]] || fail "no hint '$1' in: $stderr"
}

assert_json()
{
	jq -e "$1" <<<"$output" >/dev/null ||
		fail "not $1: $output"
}

need_device()
{
	[ -c /dev/ptshare ] || skip "this kernel has no /dev/ptshare"
}

need_no_device()
{
	[ ! -e /dev/ptshare ] || skip "this kernel has /dev/ptshare"
}

# For setup: a directory of tmpfs, with a file f of the size $1 if it is given,
# and names for what a command in the background prints.
make_shm()
{
	need_device
	out=$BATS_TEST_TMPDIR/out
	err=$BATS_TEST_TMPDIR/err
	shm=$(mktemp -d /dev/shm/bats.XXXXXX)
	[ -z "${1:-}" ] || truncate -s "$1" "$shm/f"
}

# For teardown: that, and whatever the test has started.
drop_shm()
{
	drop_holders
	rm -rf "$shm"
}

# Starts a holder of a container made of the lines in $1, sets $holder to its
# pid and $box to PID:FD. More arguments are options of run.
hold()
{
	local lines=$1
	shift
	printf '%s\n' "$lines" >"$BATS_TEST_TMPDIR/held"
	mshare-ctl run -f "$BATS_TEST_TMPDIR/held" "$@" -- sleep 1000 </dev/null >&2 3>&- &
	holder=$!
	# shellcheck disable=SC2034 # for the tests
	box=$holder:3
	holders+=("$holder")
	# shellcheck disable=SC2016 # for eval
	wait_for 'grep -q sleep /proc/$holder/comm'
}

wait_for()
{
	local i
	for ((i = 0; i < 200; i++)); do
		eval "$1" 2>/dev/null && return
		sleep 0.05
	done
	fail "did not happen: $1"
}

drop_holders()
{
	local pid
	for pid in "${holders[@]}"; do
		kill -9 "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	holders=()
}

# Starts a `mshare-ctl hold NAME` of the lines in $2, sets $holder to its pid.
hold_name()
{
	local name=$1 lines=$2
	shift 2
	printf '%s\n' "$lines" >"$BATS_TEST_TMPDIR/$name.layout"
	mshare-ctl hold "$name" -f "$BATS_TEST_TMPDIR/$name.layout" "$@" </dev/null >&2 3>&- &
	holder=$!
	holders+=("$holder")
	# and has opened all that it needs, once it sleeps
	wait_for "is_held $name && grep -q '^State:.S' /proc/$holder/status"
}

# ctl hold, where it shall not come to hold anything.
ctl_hold()
{
	run --separate-stderr timeout 20 mshare-ctl hold "$@"
}

# For teardown: the names of holders that were killed.
drop_names()
{
	[ ! -c /dev/ptshare ] || rm -rf /run/mshare
}

# Somebody listens there; a socket that is only there may be a dead holder's.
is_held()
{
	grep -q " 00010000 .* /run/mshare/$1$" /proc/net/unix
}

# as_user UID GID COMMAND...
as_user()
{
	local uid=$1 gid=$2 command
	command=$(command -v "$3")
	shift 3
	setpriv --reuid="$uid" --regid="$gid" --clear-groups "$command" "$@"
}

ctl_as()
{
	local uid=$1 gid=$2
	shift 2
	run --separate-stderr as_user "$uid" "$gid" mshare-ctl "$@"
}

# Watches $box in the background until $nr ranges (default 1) are armed; what it
# prints goes to the files $out and $err.
watch()
{
	mshare-ctl watch "$box" "$@" >"$out" 2>"$err" 3>&- &
	watcher=$!
	holders+=("$watcher")
	wait_for '[ "$(grep -c ": armed" "$err")" = "${nr:-1}" ] || ! kill -0 $watcher'
	kill -0 $watcher || fail "watch ended: $(cat "$err")"
}

# Waits for the end of the watch; its status and output as run has them.
watch_end()
{
	local rc=0
	wait "$watcher" || rc=$?
	run cat "$out"
	# shellcheck disable=SC2034 # for assert_success and assert_error
	status=$rc stderr=$(cat "$err")
}

# The columns TYPE, OFFSET, LENGTH and FLAGS of the lines about writes.
writes()
{
	awk '$2 == "write" { print $2, $3, $4, $8 }' "$out"
}

holders=()
