#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# watch: who writes is told, in which form, and what is refused.
bats_require_minimum_version 1.8.0
load helper

setup()
{
	make_shm 1M
}

teardown()
{
	drop_shm
}

@test "async: a store of another process is told once" {
	hold "0 1M rw memfd:a"
	watch -c 2
	ctl-probe poke "$box" 0x3008 1
	ctl-probe poke "$box" 0x3010 2
	ctl-probe peek "$box" 0x5000
	ctl-probe poke "$box" 0x7000 3
	watch_end
	assert_success
	assert_equal "$(head -n 1 "$out" | xargs)" "TIME TYPE OFFSET LENGTH PID TID ADDR FLAGS COMMAND"
	assert_equal "$(writes)" $'write 0x3000 4K -\nwrite 0x7000 4K -'
	assert_equal "$stderr" "mshare-ctl: watch: 0x0+1M: armed"
	# a line for each write, and the headings
	assert_equal "${#lines[@]}" 3
	# The address is that of the store, in the writer.
	assert_line --regexp 'write +0x3000 .* 0x[0-9a-f]*008 '
	run ctl-probe peek "$box" 0x3010
	assert_output 2
}

@test "write(2) to the backing is told, without an address" {
	hold "0 1M rw $shm/f"
	watch -c 1
	dd if=/dev/zero of="$shm/f" bs=16 count=1 seek=512 conv=notrunc status=none
	watch_end
	assert_success
	assert_equal "$(writes)" "write 0x2000 4K kernel,syscall"
	assert_line --regexp 'write .* - +kernel,syscall +(dd|-)$'
}

@test "ranges: only these; options may follow" {
	hold $'0 1M rw memfd:a\n2M 1M rw memfd:b'
	nr=2 watch 4K 4K 2M 8K --count 2 -n -b
	ctl-probe poke "$box" 0 1
	ctl-probe poke "$box" 0x2000 1
	ctl-probe poke "$box" 0x1000 1
	ctl-probe poke "$box" 0x202000 1
	ctl-probe poke "$box" 0x201000 1
	watch_end
	assert_success
	assert_equal "$(writes)" $'write 4096 4096 -\nwrite 2101248 4096 -'
	refute_line --partial TIME
}

@test "-J: objects with the same keys" {
	hold "0 1M rw memfd:a"
	watch -J -c 1
	ctl-probe poke "$box" 0x1000 1
	watch_end
	assert_success
	assert_equal "$(jq -sc 'map(keys_unsorted) | unique[]' "$out")" \
		'["type","time_ns","seq","offset","length","pid","tid","addr","flags","command"]'
	# one write, one object
	assert_equal "$(jq -c '[.type, .offset, .length, (.seq | type), .flags, .pid == .tid, .addr % 4096]' "$out")" \
		'["write",4096,4096,"number",[],true,0]'
}

@test "it ends when nobody reads its output" {
	hold "0 1M rw memfd:a"
	timeout 20 bash -o pipefail -c 'mshare-ctl watch "$1" -J 2>"$2" | head -n 1' - "$box" "$err" >"$out" 3>&- &
	watcher=$!
	holders+=("$watcher")
	wait_for 'grep -q ": armed" "$err"'
	ctl-probe poke "$box" 0x1000 1
	wait_for '! kill -0 $watcher'
	wait "$watcher"
	run cat "$out"
	assert_json '.type == "write"'
}

@test "more writes than the queue takes: overflow, then a scan; no page is missing" {
	hold "0 64M rw memfd:a"
	watch -J
	kill -STOP $watcher
	ctl-probe fill "$box" 0 32M
	kill -CONT $watcher
	wait_for 'grep -q scan "$out"'
	kill $watcher
	watch_end
	assert_success
	assert_equal "$(jq -r 'select(.type == "overflow") | .type' "$out")" overflow
	assert_equal "$(jq -r 'select(.type == "write" or .type == "scan") | . as $l | range(.offset; .offset + .length; 4096)' "$out" |
		sort -nu | wc -l)" 8192
	assert_equal "$(jq -c 'select(.type == "scan") | .flags | index("written") != null' "$out" | sort -u)" true
}

@test "unmap of a watched range is told" {
	hold "0 1M rw memfd:a"
	watch
	mshare-ctl unmap "$box" 64K 4K
	wait_for 'grep -q disarmed "$out"'
	kill $watcher
	watch_end
	assert_success
	assert_line --regexp 'disarmed +0x10000 +4K '
}

@test "two watches of one range: the second is refused" {
	hold "0 1M rw memfd:a"
	watch 0 64K
	ctl watch "$box" 60K 8K
	assert_failure 1
	assert_error "watch: $box: 0xf000+8K: somebody else watches it (EBUSY)"
	ctl watch "$box" 64K 8K -t 0.1
	assert_success
}

@test "ranges that can't be watched" {
	hold "0 1M rw memfd:a"
	ctl watch "$box" 512K 1M
	assert_failure 1
	assert_error "watch: $box: 0x80000+1M: meets a hole (ENOENT)"
	assert_hint "'mshare-ctl table $box' shows the regions"
	ctl watch "$box" 0 2G
	assert_failure 1
	assert_error "watch: $box: 0x0+2G: leaves the container, or is empty (EINVAL)"
	ctl watch "$box" 0 0
	assert_failure 1
}

@test "a region that was opened read-only is left out, alone it is an error" {
	hold $'0 1M rw memfd:a\n1M 1M r '"$shm/f"
	nr=1 watch -c 1
	ctl-probe poke "$box" 0 1
	watch_end
	assert_success
	assert_error "watch: $box: 0x100000+1M: the backing was not opened for writing (EACCES)"
	ctl watch "$box" 1M 4K
	assert_failure 1
	assert_error "watch: $box: 0x100000+4K: the backing was not opened for writing (EACCES)"
}

@test "an attach fd can't watch" {
	hold "0 1M rw memfd:a" --attach
	ctl watch "$box"
	assert_failure 1
	assert_error "watch: $box: this is no control fd (EPERM)"
}

@test "list shows a process that has a notify fd only" {
	hold "0 1M rw memfd:a"
	watch
	local id
	id=$(mshare-ctl info "$box" -rno ID)
	run mshare-ctl list -rn -o ID,LENGTH,REGIONS,HOLDERS
	assert_line --regexp "^$id 1G 1 .*$box"
	assert_line --regexp "$watcher"
}
