#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# hold: who gets which fd, and what clients can't do to a holder.
bats_require_minimum_version 1.8.0
load helper

# A request of version 1: for an attach fd, for the control fd.
attach=6d747368010001000000000000000000
control=6d747368010002000000000000000000

setup()
{
	make_shm 1M
	socket=/run/mshare/db0
}

teardown()
{
	drop_shm
	drop_names
}

fds_of()
{
	ls "/proc/$1/fd" | wc -l
}

# The kind of fd that the command gets: what a protect through it is told.
kind_of()
{
	mshare-ctl attach db0 "$@" -- mshare-ctl protect 3 0 4K r 2>&1 | head -n 1
}

@test "the socket: place, type, owner and mode" {
	hold_name db0 "0 1M rw memfd:a"
	assert_equal "$(stat -c '%F %U:%G %a' $socket)" "socket root:root 660"
	assert_equal "$(stat -c '%F %U:%G %a' /run/mshare)" "directory root:root 755"
	run grep "$socket" /proc/net/unix
	assert_output --regexp ' 00010000 0005 01 +[0-9]+ /run/mshare/db0$'
}

@test "--mode, --owner and --group, by name and by number" {
	hold_name db0 "0 1M rw memfd:a" --mode 606 --owner nobody --group nogroup
	assert_equal "$(stat -c '%U:%G %a' $socket)" "nobody:nogroup 606"
	hold_name db1 "0 1M rw memfd:a" -M 0 -O 1234 -G 5678
	assert_equal "$(stat -c '%u:%g %a' /run/mshare/db1)" "1234:5678 0"
}

@test "the container is the layout's; --length and --max-prot" {
	hold_name db0 $'0 1M rw memfd:a\n1G 4K r memfd:b'
	ctl info db0 -rno LENGTH,PROT,REGIONS
	assert_output "2G rw 2"
	hold_name db1 "0 1M r memfd:a" --length 8T --max-prot r
	ctl info db1 -rno LENGTH,PROT,REGIONS
	assert_output "8T r 1"
}

@test "SIGTERM and SIGINT end it with status 0, and its name is gone" {
	for signal in TERM INT; do
		hold_name db0 "0 1M rw memfd:a"
		kill -$signal "$holder"
		wait "$holder"
		run ls -A /run/mshare
		assert_output ""
	done
}

@test "it removes its own socket only" {
	hold_name db0 "0 1M rw memfd:a"
	rm $socket
	touch $socket
	kill "$holder"
	wait "$holder"
	[ -f $socket ]
	rm $socket
}

@test "a second holder of a living name is refused" {
	hold_name db0 "0 1M rw memfd:a"
	local id
	id=$(mshare-ctl info db0 -rno ID)
	ctl_hold db0 -f - <<<"0 4K rw memfd:b"
	assert_failure 1
	assert_error "hold: db0: another holder has this name"
	assert_hint "'mshare-ctl info db0' shows its container"
	ctl info db0 -rno ID
	assert_output "$id"
	hold_name db1 "0 1M rw memfd:a"
}

@test "the socket of a dead holder is replaced" {
	hold_name db0 "0 1M rw memfd:a"
	kill -9 "$holder"
	wait "$holder" || true
	[ -S $socket ]
	ctl info db0
	assert_failure 1
	assert_error "info: db0: its holder has ended"
	hold_name db0 "0 4K rw memfd:a" --length 4K
	ctl info db0 -rno LENGTH
	assert_output 4K
}

@test "a layout that can't be assembled leaves no name" {
	ctl_hold db0 -f - <<<"0 4K rw /nonexistent"
	assert_failure 1
	assert_error "hold: stdin:1: /nonexistent: No such file or directory"
	ctl_hold db0 -f /dev/null
	assert_failure 1
	assert_error "hold: /dev/null: the layout is empty"
	[ -z "$(ls -A /run/mshare)" ]
}

@test "without permission for the device" {
	run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups timeout 20 "$(command -v mshare-ctl)" hold db0 -f - <<<"0 4K rw memfd:a"
	assert_failure 1
	[[ $stderr == "mshare-ctl: hold: db0: /run/mshare"* ]]
}

@test "root gets either fd" {
	hold_name db0 "0 1M rw memfd:a" --owner 1234
	assert_equal "$(kind_of)" "mshare-ctl: protect: 3: this is no control fd (EPERM)"
	assert_equal "$(kind_of --control)" ""
}

@test "the owner gets either fd" {
	hold_name db0 "0 1M rw memfd:a" --owner 1234
	run as_user 1234 1234 mshare-ctl attach db0 --control -- mshare-ctl protect 3 0 4K r
	assert_success
	run as_user 1234 1234 mshare-ctl attach db0 -- mshare-ctl table 3 -rno PROT
	assert_output $'r\nrw'
}

@test "members of the group get an attach fd, by any of their groups" {
	hold_name db0 "0 1M rw memfd:a" --owner 1234 --group 4242
	for groups in "--regid=4242 --clear-groups" "--regid=99 --groups=4242" "--regid=99 --groups=7,4242,8"; do
		# shellcheck disable=SC2086
		run --separate-stderr setpriv --reuid=2000 $groups "$(command -v mshare-ctl)" info db0 -rno REGIONS
		assert_success
		assert_output 1
		# shellcheck disable=SC2086
		run --separate-stderr setpriv --reuid=2000 $groups "$(command -v mshare-ctl)" attach -c db0 -- true
		assert_failure 125
		assert_error "attach: db0: only the owner of the socket and root get a control fd (EACCES)"
	done
}

@test "others get an attach fd if the mode says so" {
	hold_name db0 "0 1M rw memfd:a" --mode 662
	run as_user 2000 2000 mshare-ctl info db0 -rno REGIONS
	assert_output 1
	ctl_as 2000 2000 protect db0 0 4K r
	assert_failure 1
	assert_error "protect: db0: only the owner of the socket and root get a control fd (EACCES)"
}

@test "others get nothing by default" {
	hold_name db0 "0 1M rw memfd:a"
	ctl_as 2000 2000 info db0
	assert_failure 1
	assert_error "info: db0: /run/mshare/db0: Permission denied (EACCES)"
	assert_hint "be its owner, or in its group: 'ls -l /run/mshare/db0'"
	assert_equal "$output" ""
}

@test "an owner or a group without write permission is refused, as by the kernel" {
	hold_name db0 "0 1M rw memfd:a" --owner 1234 --group 4242 --mode 066
	ctl_as 1234 4242 info db0
	assert_failure 1
	hold_name db1 "0 1M rw memfd:a" --owner 1234 --group 4242 --mode 606
	ctl_as 2000 4242 info db1
	assert_failure 1
	ctl_as 2000 2000 info db1
	assert_success
}

@test "who has connected in time is still judged by what the mode is then" {
	hold_name db0 "0 1M rw memfd:a" --mode 666
	mkfifo "$BATS_TEST_TMPDIR/go"
	as_user 2000 2000 hold-probe packet db0 - $attach <"$BATS_TEST_TMPDIR/go" >"$out" 3>&- &
	local client=$!
	holders+=($client)
	exec 4>"$BATS_TEST_TMPDIR/go"
	wait_for 'grep -q ready "$out"'
	chmod 660 $socket
	echo >&4
	exec 4>&-
	wait $client
	run cat "$out"
	assert_line --index 1 "6873746d 1 EACCES, 0 fds: owner, group and mode of the socket do not allow it"
}

@test "who may have nothing is not even told what a request looks like" {
	hold_name db0 "0 1M rw memfd:a" --mode 666
	mkfifo "$BATS_TEST_TMPDIR/go"
	as_user 2000 2000 hold-probe packet db0 - 00 <"$BATS_TEST_TMPDIR/go" >"$out" 3>&- &
	holders+=($!)
	exec 4>"$BATS_TEST_TMPDIR/go"
	wait_for 'grep -q ready "$out"'
	chmod 600 $socket
	echo >&4
	exec 4>&-
	wait_for 'grep -q EACCES "$out"'
}

@test "garbage gets an error and no fd, and the holder lives on" {
	hold_name db0 "0 1M rw memfd:a"
	local before
	before=$(fds_of "$holder")
	while read -r text; do
		read -r packet
		run hold-probe packet db0 "$packet"
		assert_output "6873746d 1 EPROTO, 0 fds: $text"
	done <<-END
		that is no request to a holder
		00
		that is no request to a holder
		${attach:0:30}
		that is no request to a holder
		$(printf '5a%.0s' {1..4000})
		that is no request to a holder
		00000000${attach:8}
		this holder speaks version 1 of the protocol only
		6d747368ff0001000000000000000000
		this holder does not know the request
		${attach}00
		this holder does not know the request
		6d747368010000000000000000000000
		this holder does not know the request
		6d747368010003000000000000000000
		this holder does not know the request
		6d747368010001000000000000000001
	END
	run hold-probe packet db0 ""
	assert_output closed
	run hold-probe packet db0 $attach
	assert_output "6873746d 1 ok, 1 fds: "
	run hold-probe packet db0 $control
	assert_output "6873746d 1 ok, 1 fds: "
	wait_for "[ \$(fds_of $holder) = $before ]"
}

@test "clients that say nothing neither block others nor stay" {
	hold_name db0 "0 1M rw memfd:a"
	local before
	before=$(fds_of "$holder")
	hold-probe silent db0 100 >"$out" 3>&- &
	holders+=($!)
	wait_for 'grep -q ready "$out"'
	# one user has 16 places
	wait_for "[ \$(fds_of $holder) = $((before + 16)) ]"
	run timeout 4 mshare-ctl info db0 -rno REGIONS
	assert_success
	assert_output 1
	run as_user 2000 0 timeout 4 mshare-ctl info db0 -rno REGIONS
	assert_success
	wait_for "[ \$(fds_of $holder) = $before ]"
}

@test "quick clients leak no fd in the holder" {
	hold_name db0 "0 1M rw memfd:a"
	local before
	before=$(fds_of "$holder")
	run hold-probe cycle db0 200
	assert_success
	assert_output "200 cycles"
	assert_equal "$(fds_of "$holder")" "$before"
	# nor is a container or an fd of one kept by anybody else
	ctl list -rno HOLDERS
	assert_output "$(ls -l "/proc/$holder/fd" | sed -n "s|.* \([0-9]*\) -> anon_inode:\[ptshare\]|$holder:\1|p")"
}

@test "the holder takes no new privileges, and --user leaves it none" {
	echo "0 1M rw memfd:a" >"$shm/layout"
	setpriv --groups=7,8 "$(command -v mshare-ctl)" hold db0 -f "$shm/layout" --user nobody 3>&- &
	holder=$!
	holders+=($holder)
	wait_for 'is_held db0'
	wait_for 'grep -q NoNewPrivs:.1 /proc/$holder/status'
	run cat "/proc/$holder/status"
	assert_line --regexp "^Uid:	65534	65534	65534	65534$"
	assert_line --regexp "^Gid:	65534	65534	65534	65534$"
	assert_line --regexp '^Groups:	 *$'
	assert_line --regexp "^CapPrm:	0000000000000000$"
	assert_line --regexp "^CapEff:	0000000000000000$"
	assert_line "NoNewPrivs:	1"
	# it serves, and what is left of it is no obstacle to the next
	ctl protect db0 0 4K r
	assert_success
	kill "$holder"
	wait "$holder"
	hold_name db0 "0 1M rw memfd:a"
	run cat "/proc/$holder/status"
	assert_line "NoNewPrivs:	1"
}

@test "a user who is not root can't become another" {
	install -d -m 777 /run/mshare
	chmod 666 /dev/ptshare
	run --separate-stderr as_user 2000 2000 timeout 20 mshare-ctl hold db0 -f - --user nobody <<<"0 4K rw memfd:a"
	chmod 600 /dev/ptshare
	assert_failure 1
	assert_error "hold: db0: becoming nobody: Operation not permitted (EPERM)"
	assert_equal "$(ls -A /run/mshare)" ""
	chmod 755 /run/mshare
}

@test "what holds has a name in list" {
	hold_name db0 "0 1M rw memfd:a"
	hold_name db1 "0 1M rw memfd:a"
	hold "0 1M rw memfd:a"
	ctl list -J
	assert_json '[.containers[].name] | sort == [null, "db0", "db1"]'
	assert_json "(.containers[] | select(.name == \"db1\") | .id) == $(mshare-ctl info db1 -rno ID)"
}
