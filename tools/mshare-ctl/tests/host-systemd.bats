#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The systemd units, as far as they can be checked without a system on top.
bats_require_minimum_version 1.8.0
load helper

setup()
{
	units=$BATS_TEST_TMPDIR
	# the command as it lies here, since it need not be installed
	sed "s|^ExecStart=.*/mshare-ctl|ExecStart=$tools/mshare-ctl|" \
		"$tools/systemd/mshare@.service" >"$units/mshare@db0.service"
	cp "$ctl_dir/systemd/mshare@.socket" "$units/mshare@db0.socket"
}

@test "systemd has nothing to say against the units" {
	command -v systemd-analyze >/dev/null || skip "no systemd-analyze here"
	run systemd-analyze verify --man=no "$units/mshare@db0.service" "$units/mshare@db0.socket"
	assert_success
	assert_output ""
}

@test "what the unit runs is a hold that is known" {
	local words
	read -ra words < <(sed -n 's/^ExecStart=//p; s/%i/db0/g' "$units/mshare@db0.service")
	assert_equal "${words[1]} ${words[*]: -2}" "hold --user ptshare"
	run mshare-ctl help hold
	for word in "${words[@]:2}"; do
		[[ $word != -* ]] || assert_line --regexp "^  (-., )?$word[ ,]"
	done
}

@test "the socket lies where clients look" {
	run cat "$ctl_dir/systemd/mshare@.socket"
	assert_line "ListenSequentialPacket=/run/mshare/%i"
	assert_line "SocketMode=0660"
}

@test "the service keeps its container over a restart" {
	run cat "$ctl_dir/systemd/mshare@.service.in"
	assert_line "Type=notify"
	assert_line "FileDescriptorStoreMax=1"
	assert_line "Restart=on-failure"
	assert_line --partial -- "-f /etc/mshare/%i.layout"
}

@test "the user that the holder becomes is made" {
	run cat "$ctl_dir/udev/ptshare.sysusers"
	assert_line --regexp '^u ptshare - '
}
