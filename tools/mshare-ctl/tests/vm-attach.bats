#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# attach, and holders' names where other commands take PID:FD.
bats_require_minimum_version 1.8.0
load helper

setup()
{
	make_shm 1M
	hold_name db0 $'0 1M rw memfd:a\n1G 4K r memfd:b'
}

teardown()
{
	drop_shm
	drop_names
}

@test "the command gets the container as fd 3, as LISTEN_FDS tells" {
	# shellcheck disable=SC2016
	ctl attach db0 -- sh -c 'echo "$LISTEN_FDS $LISTEN_FDNAMES"; [ $LISTEN_PID = $$ ] && readlink /proc/self/fd/3'
	assert_success
	assert_line --index 0 "1 ptshare"
	assert_line --index 1 "anon_inode:[ptshare]"
	ctl attach db0 -- ctl-probe import ""
	assert_output "3 cloexec"
	ctl attach db0 -- mshare-ctl info 3 -rno ID
	assert_output "$(mshare-ctl info db0 -rno ID)"
}

@test "it gets nothing else" {
	run bash -c "exec </dev/null; for ((i = 4; i < 256; i++)); do eval \"exec \$i>&-\"; done 2>/dev/null
		exec mshare-ctl attach db0 -- ls -1 /proc/self/fd"
	assert_equal "$(xargs <<<"$output")" "0 1 2 3 4"
}

@test "all who attach share the memory" {
	mshare-ctl attach db0 -- ctl-probe poke 3 4K cafe
	run mshare-ctl attach db0 -- ctl-probe peek 3 4K
	assert_output cafe
}

@test "what attaches keeps the container beyond its holder" {
	mshare-ctl attach db0 -- sleep 1000 3>&- &
	local client=$!
	holders+=($client)
	wait_for 'grep -q sleep /proc/'$client'/comm'
	mshare-ctl attach db0 -- ctl-probe poke 3 0 77
	kill "$holder"
	wait "$holder"
	run ctl-probe peek $client:3 0
	assert_output 77
}

@test "the fd is an attach fd, with --control the control fd" {
	ctl attach db0 -- mshare-ctl unmap 3 0 4K
	assert_failure 1
	assert_error "unmap: 3: 0x0+4K: this is no control fd (EPERM)"
	for option in -c --control; do
		ctl attach db0 $option -- mshare-ctl protect 3 0 4K r
		assert_success
		ctl attach $option db0 -- mshare-ctl protect 3 0 4K rw
		assert_success
	done
}

@test "the command's options are the command's, with and without --" {
	ctl attach db0 echo -c -h
	assert_success
	assert_output -- "-c -h"
	ctl attach db0 -- echo --control
	assert_output -- "--control"
}

@test "the command's own status; 126 and 127" {
	for want in 0 1 3 125 255; do
		run mshare-ctl attach db0 -- sh -c "exit $want"
		assert_equal "$status" $want
	done
	run -127 --separate-stderr mshare-ctl attach db0 -- /nonexistent/command
	assert_error "attach: /nonexistent/command: No such file or directory"
	ctl attach db0 -- /etc/passwd
	assert_failure 126
	assert_error "attach: /etc/passwd: Permission denied"
}

@test "125: no such holder, and one that has ended" {
	ctl attach db1 -- true
	assert_failure 125
	assert_error "attach: db1: no such holder"
	assert_hint "'mshare-ctl hold' starts one, 'mshare-ctl list' shows those that live"
	kill -9 "$holder"
	wait "$holder" || true
	ctl attach db0 -- true
	assert_failure 125
	assert_error "attach: db0: its holder has ended"
}

@test "125: no permission" {
	ctl_as 2000 2000 attach db0 -- true
	assert_failure 125
	assert_error "attach: db0: /run/mshare/db0: Permission denied (EACCES)"
}

@test "125: somebody who is no holder answers" {
	touch /run/mshare/db1
	ctl attach db1 -- true
	assert_failure 125
	assert_error "attach: db1: its holder has ended"
	hold-probe service /run/mshare/db2 sleep 1000 >"$out" 3>&- &
	holders+=($!)
	wait_for 'is_held db2'
	# nobody takes the connection: closed at the end of who could
	mshare-ctl attach db2 -- true 2>"$err" 3>&- &
	local client=$!
	sleep 0.5
	kill -9 "${holders[-1]}" "$(sed -n 's/^pid //p' "$out")"
	local rc=0
	wait $client || rc=$?
	assert_equal "$rc" 125
	run head -n 1 "$err"
	assert_output --partial "attach: db2: "
}

@test "looking at a container by its name" {
	ctl info db0 -rno REGIONS,PROT
	assert_success
	assert_output "2 rw"
	ctl table db0 -rno OFFSET,LENGTH,PROT
	assert_success
	assert_output $'0x0 1M rw\n0x40000000 4K r'
	COLUMNS=10 LC_ALL=C ctl table db0 --draw
	assert_success
	assert_line --index 1 "#....=...."
	ctl stat db0 -n
	assert_success
}

@test "who may only attach can look, and no more" {
	chgrp 4242 /run/mshare/db0
	for command in info table "table --draw" stat; do
		# shellcheck disable=SC2086
		ctl_as 2000 4242 $command db0
		assert_success
	done
	for args in "map db0 2M 4K r memfd:c" "unmap db0 0 4K" "protect db0 0 4K r" "seal db0 prot" "watch db0"; do
		# shellcheck disable=SC2086
		ctl_as 2000 4242 $args
		assert_failure 1
		assert_error "${args%% *}: db0: only the owner of the socket and root get a control fd (EACCES)"
	done
}

@test "changing a container by its name" {
	ctl map db0 2M 64K rw "$shm/f"
	assert_success
	ctl protect db0 0 4K r 2M 4K r
	assert_success
	ctl unmap db0 1G 4K
	assert_success
	ctl table db0 -rno OFFSET,LENGTH,PROT
	assert_output $'0x0 4K r\n0x1000 1020K rw\n0x200000 4K r\n0x201000 60K rw'
	ctl seal db0 layout
	assert_success
	ctl unmap db0 0 4K
	assert_failure 1
	assert_error "unmap: db0: 0x0+4K: the container is sealed (EPERM)"
}

@test "table finds the files of a holder's container" {
	mshare-ctl map db0 2M 64K rw "$shm/f"
	ctl table db0 -rno SOURCE
	assert_line --index 1 "$shm/f"
}

@test "watch by name" {
	box=db0
	watch 0 1M -c 1
	mshare-ctl attach db0 -- ctl-probe poke 3 0x3000 1
	watch_end
	assert_success
	assert_equal "$(writes)" "write 0x3000 4K -"
}
