#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The units under systemd as the first process: a holder that is killed, its
# clients, and who may not be one. What concerns the holder alone is in
# vm-hold-restart.bats.
# shellcheck disable=SC2154 # tools is helper's, stderr is set by run
bats_require_minimum_version 1.8.0
load helper

units=/etc/systemd/system
socket=/run/mshare/db0
drop_in=$units/mshare@db0.service.d

# A machine that is used has units of its own in $units.
in_guest()
{
	[ -e /run/units/ptvm.service ]
}

setup_file()
{
	[ -c /dev/ptshare ] && in_guest || return 0
	systemd-sysusers "$ctl_dir/udev/ptshare.sysusers"
	mkdir -p /etc/mshare
	printf '0 64M rw memfd:a\n64M 4K r memfd:a\n' >/etc/mshare/db0.layout
	# the command as it lies here, since it need not be installed
	sed "s|^ExecStart=.*/mshare-ctl|ExecStart=$tools/mshare-ctl|" \
		"$tools/systemd/mshare@.service" >$units/mshare@.service
	cp "$ctl_dir/systemd/mshare@.socket" $units
	# as the guide says; it makes systemd read the units too
	systemctl enable --quiet --now mshare@db0.socket mshare@db0.service
}

setup()
{
	need_device
	in_guest || skip "no guest with systemd as its first process"
	systemctl start mshare@db0.socket mshare@db0.service
	main=$(property MainPID)
}

teardown()
{
	in_guest || return 0
	drop_holders
	systemctl stop mshare@db0.service mshare@db0.socket
	systemctl reset-failed
	[ ! -e $drop_in ] || { rm -r $drop_in; systemctl daemon-reload; }
}

property()
{
	systemctl show -P "$1" "${2:-mshare@db0.service}"
}

# What a crash is to the holder; until systemd has the next one ready.
crash()
{
	kill -9 "$main"
	wait_for '[ "$(property MainPID)" != '"$main"' ] && [ "$(property ActiveState)" = active ]'
	main=$(property MainPID)
}

# A client that keeps a window of db0, and answers by say.
client()
{
	mkfifo "$BATS_TEST_TMPDIR/ask" "$BATS_TEST_TMPDIR/answer"
	mshare-ctl attach db0 -- ctl-probe talk 3 \
		<"$BATS_TEST_TMPDIR/ask" >"$BATS_TEST_TMPDIR/answer" 3>&- &
	holders+=($!)
	exec 5>"$BATS_TEST_TMPDIR/ask" 6<"$BATS_TEST_TMPDIR/answer"
}

say()
{
	local word
	echo "$1" >&5
	read -r -t 20 -u 6 word
	echo "$word"
}

@test "the units start a holder, which tells what it holds and is no root" {
	assert_equal "$(property ActiveState)" active
	assert_equal "$(property StatusText)" "Holding container $(mshare-ctl info db0 -rno ID) of 1G, 2 regions"
	assert_equal "$(property NFileDescriptorStore)" 1
	assert_equal "$(stat -c %U "/proc/$main")" ptshare
	assert_equal "$(stat -c '%a %U' $socket)" "660 root"
}

@test "a holder that is killed: clients keep their memory, the next one has the same container" {
	local id
	id=$(mshare-ctl info db0 -rno ID)
	client
	assert_equal "$(say 0x3000=beef)" beef
	crash
	assert_equal "$(property NRestarts)" 1
	assert_equal "$(property StatusText)" "Keeping container $id of 1G, 2 regions"
	ctl info db0 -rno ID,WINDOWS
	assert_output "$id 1"
	# the old client and a new one see what the other writes
	assert_equal "$(say 0x3000)" beef
	run -0 mshare-ctl attach db0 -- ctl-probe peek 3 0x3000
	assert_output beef
	run -0 mshare-ctl attach db0 -- ctl-probe poke 3 0x5000 cafe
	assert_equal "$(say 0x5000)" cafe
}

@test "what the next holder is told acts on the clients of the first" {
	client
	assert_equal "$(say 0x3000=beef)" beef
	crash
	crash
	mshare-ctl protect db0 0 1M r
	local rc=0
	echo 0x3000=dead >&5
	wait "${holders[-1]}" || rc=$?
	assert_equal "$rc" $((128 + 11))
	run -0 mshare-ctl attach db0 -- ctl-probe peek 3 0x3000
	assert_output beef
}

@test "killed without a client: the memory waits in the fd store" {
	mshare-ctl attach db0 -- ctl-probe poke 3 0x3000 beef
	crash
	run -0 mshare-ctl attach db0 -- ctl-probe peek 3 0x3000
	assert_output beef
	assert_equal "$(property NFileDescriptorStore)" 1
}

@test "a client that comes between two lives waits, and is served" {
	local id
	id=$(mshare-ctl info db0 -rno ID)
	kill -9 "$main"
	run -0 timeout 30 mshare-ctl info db0 -rno ID
	assert_output "$id"
}

@test "who is not allowed gets an error and nothing else, before and after a crash" {
	local i
	for i in 1 2; do
		ctl_as 2000 2000 attach db0 -- echo started
		assert_failure 125
		assert_output ""
		assert_error "attach: db0: $socket: Permission denied (EACCES)"
		assert_hint "be its owner, or in its group: 'ls -l $socket'"
		[ $i = 2 ] || crash
	done
	chgrp 4242 $socket
	ctl_as 2000 4242 info db0 -rno REGIONS
	assert_success
	assert_output 2
	ctl_as 2000 4242 protect db0 0 4K r
	assert_failure 1
	assert_error "protect: db0: only the owner of the socket and root get a control fd (EACCES)"
}

@test "stop gives the container and its name up" {
	mshare-ctl attach db0 -- ctl-probe poke 3 0x3000 beef
	systemctl stop mshare@db0.service mshare@db0.socket
	[ ! -e $socket ]
	ctl list -rno ID
	assert_output ""
	systemctl start mshare@db0.service
	run -0 mshare-ctl attach db0 -- ctl-probe peek 3 0x3000
	assert_output 0
}

# Fills db0 with 24 MB before a crash and after, and tells what $1 took of it in MB.
paid_by()
{
	local before
	before=$(property MemoryCurrent "$1")
	mshare-ctl attach db0 -- ctl-probe fill 3 0 24M
	crash
	mshare-ctl attach db0 -- ctl-probe fill 3 24M 24M
	echo $((($(property MemoryCurrent "$1") - before) >> 20))
}

@test "the slice pays for the memory, before and after a crash" {
	local paid
	paid=$(paid_by system-mshare.slice)
	[ "$paid" -ge 48 ] || fail "$paid MB"
}

@test "the unit pays until a crash only" {
	local paid
	paid=$(paid_by mshare@db0.service)
	[ "$paid" -lt 16 ] || fail "$paid MB"
}

# As the guide says.
@test "a limit of a slice of its own sends it to swap, before and after a crash" {
	systemctl stop mshare@db0.service
	mkdir $drop_in
	printf '[Service]\nSlice=db0.slice\n' >$drop_in/slice.conf
	systemctl daemon-reload
	systemctl set-property db0.slice MemoryMax=24M
	systemctl start mshare@db0.service
	main=$(property MainPID)
	for _ in 1 2; do
		run -0 mshare-ctl attach db0 -- ctl-probe fill 3 0 48M
		assert_equal "$(property MainPID)" "$main"
		[ "$(property MemoryCurrent db0.slice)" -le $((24 << 20)) ]
		crash
	done
}
