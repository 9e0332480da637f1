#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# hold as a service: what it says, sockets passed to it, and restarts. The
# part of systemd is played by hold-probe.
bats_require_minimum_version 1.8.0
load helper

setup()
{
	make_shm 1M
	layout=$BATS_TEST_TMPDIR/layout
	printf '0 1M rw memfd:a\n1M 4K r memfd:a\n' >"$layout"
}

teardown()
{
	drop_shm
	[ ! -e "$out" ] || kill -9 "$(last_pid)" 2>/dev/null || true
	drop_names
}

# Runs hold as a service, with a socket at $1 or "-"; more are its options.
service()
{
	local path=$1
	shift
	hold-probe service "$path" mshare-ctl hold db0 -f "$layout" "$@" >"$out" 2>&1 3>&- &
	service=$!
	holders+=($service)
	wait_for 'grep -q READY "$out"'
	main=$(last_pid)
}

last_pid()
{
	sed -n 's/^pid //p' "$out" | tail -n 1
}

# Kills it as a crash would, and waits until the next one is ready.
crash()
{
	local ready
	ready=$(grep -c READY "$out")
	kill -9 "$main"
	wait_for '[ "$(grep -c READY "$out")" -gt '"$ready"' ]'
	main=$(last_pid)
}

service_end()
{
	local rc=0
	wait_for '! kill -0 $service'
	wait $service || rc=$?
	assert_equal "$rc" "$1"
}

@test "it stores the container, is ready, and stops when told" {
	service -
	local id
	id=$(mshare-ctl info db0 -rno ID)
	kill "$main"
	service_end 0
	run cat "$out"
	assert_output "\
pid $main
FDSTORE=1|FDNAME=ptshare
READY=1|STATUS=Holding container $id of 1G, 2 regions
STOPPING=1"
}

@test "after a crash it goes on with the same container" {
	service -
	local id first=$main
	id=$(mshare-ctl info db0 -rno ID)
	ctl-probe window "$main:$(control_fd)" >"$BATS_TEST_TMPDIR/window" 3>&- &
	holders+=($!)
	wait_for 'grep -q ready "$BATS_TEST_TMPDIR/window"'
	mshare-ctl attach db0 -- ctl-probe poke 3 0x3000 beef
	mshare-ctl protect db0 4K 4K r
	crash
	[ "$main" != "$first" ]
	ctl info db0 -rno ID,REGIONS,WINDOWS
	assert_output "$id 4 1"
	run mshare-ctl attach db0 -- ctl-probe peek 3 0x3000
	assert_output beef
	# and what it is told from then on acts on that container
	mshare-ctl protect db0 4K 4K rw
	ctl info db0 -rno REGIONS
	assert_output 2
	crash
	ctl info db0 -rno ID
	assert_output "$id"
	run grep -c FDSTORE "$out"
	assert_output 1
}

control_fd()
{
	ls -l "/proc/$main/fd" | sed -n 's|.* \([0-9]*\) -> anon_inode:\[ptshare\]|\1|p'
}

@test "it takes the socket that it is given, and leaves it where it is" {
	mkdir -p /run/mshare
	service /run/mshare/db0
	ctl info db0 -rno REGIONS
	assert_output 2
	assert_equal "$(ls -A /run/mshare)" db0
	kill "$main"
	service_end 0
	[ -S /run/mshare/db0 ]
}

@test "a client that comes between two lives waits, and is served" {
	mkdir -p /run/mshare
	service /run/mshare/db0
	local id
	id=$(mshare-ctl info db0 -rno ID)
	kill -STOP $service
	kill -9 "$main"
	mshare-ctl info db0 -rno ID >"$BATS_TEST_TMPDIR/id" 3>&- &
	local client=$!
	sleep 1
	kill -0 $client
	kill -CONT $service
	wait $client
	run cat "$BATS_TEST_TMPDIR/id"
	assert_output "$id"
}

@test "owner and mode of a socket that is given count" {
	mkdir -p /run/mshare
	service /run/mshare/db0 --user nobody
	chown 1234:4242 /run/mshare/db0
	ctl_as 1234 1234 protect db0 0 4K r
	assert_success
	ctl_as 2000 4242 info db0
	assert_success
	ctl_as 2000 4242 protect db0 0 4K r
	assert_failure 1
	assert_error "protect: db0: only the owner of the socket and root get a control fd (EACCES)"
}

@test "a socket that systemd listens at keeps its name" {
	mkdir -p /run/mshare
	service /run/mshare/db0
	ctl_hold db0 -f "$layout"
	assert_failure 1
	assert_error "hold: db0: another holder has this name"
	ctl info db0
	assert_success
}

@test "a stored container of another length is refused" {
	service -
	printf '1G 4K rw memfd:a\n' >"$layout"
	kill -9 "$main"
	service_end 1
	run cat "$out"
	assert_line "mshare-ctl: hold: db0: the stored container has 0x40000000 bytes, the layout wants 0x80000000"
	assert_line "mshare-ctl: hold: hint: a container's length is for life: stop the service, then start it"
}

@test "a stored fd that is no control fd of a container is refused" {
	local tool
	tool=$(command -v mshare-ctl)
	# shellcheck disable=SC2016 # for the shell that it starts
	run sh -c 'exec 3</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=ptshare
		exec "$0" hold db0 -f "$1"' "$tool" "$layout"
	assert_failure 1
	assert_output "mshare-ctl: hold: db0: the fd from the fd store is no container"
	run mshare-ctl run --attach -f "$layout" -- mshare-ctl hold db0 -f "$layout"
	assert_failure 1
	assert_output "mshare-ctl: hold: db0: the fd from the fd store is no control fd (EPERM)"
	assert_equal "$(ls -A /run/mshare)" ""
}

@test "an fd of no use is told, and closed" {
	# shellcheck disable=SC2016
	sh -c 'exec 3</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES=nonsense
		exec mshare-ctl hold db0 -f "$0"' "$layout" >"$out" 2>&1 3>&- &
	local pid=$!
	holders+=($pid)
	wait_for 'is_held db0'
	run cat "$out"
	assert_output "mshare-ctl: hold: db0: the fd 3 passed as 'nonsense' is of no use here"
	[ "$(readlink /proc/$pid/fd/3)" != /dev/null ]
}
