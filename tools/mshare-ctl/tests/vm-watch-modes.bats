#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# watch: what becomes of writers, when it ends; and the example program.
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

@test "block: the writer sleeps until it is answered" {
	hold "0 1M rw memfd:a"
	watch --mode block -c 1
	run ctl-probe poke "$box" 0x1000 7
	assert_success
	watch_end
	assert_success
	assert_equal "$(writes)" "write 0x1000 4K blocked"
	# Only a writer that sleeps is there for sure when its name is read.
	assert_line --regexp 'write +0x1000 +4K +([0-9]+) +[0-9]+ 0x[0-9a-f]+ +blocked +ctl-probe$'
	run ctl-probe peek "$box" 0x1000
	assert_output 7
}

@test "block: a writer that is refused gets SIGBUS" {
	hold "0 1M rw memfd:a"
	watch -m block -a fail -c 1
	run ctl-probe poke "$box" 0x1000 7
	assert_failure 135
	watch_end
	assert_success
	run ctl-probe peek "$box" 0x1000
	assert_output 0
}

@test "block: a watch that does not answer holds nobody for long" {
	hold "0 1M rw memfd:a"
	watch -m block -w 1s -c 2
	kill -STOP $watcher
	run timeout 8 ctl-probe poke "$box" 0x1000 7
	assert_success
	kill -CONT $watcher
	watch_end
	assert_equal "$(writes)" $'write 0x1000 4K blocked\nwrite 0x1000 4K timeout'
}

@test "signal: the writer gets SIGBUS, the watch goes on" {
	hold "0 1M rw $shm/f"
	watch -m signal -k fail -c 2
	run ctl-probe poke "$box" 0x1000 7
	assert_failure 135
	run dd if=/dev/zero of="$shm/f" bs=4k count=1 conv=notrunc status=none
	assert_failure 1
	watch_end
	assert_equal "$(writes)" $'write 0x1000 4K -\nwrite 0x0 4K kernel,syscall'
	run ctl-probe poke "$box" 0x1000 7
	assert_success
}

@test "--rearm 0: each write is told" {
	hold "0 1M rw memfd:a"
	watch --rearm 0 -c 3
	for i in 1 2 3; do
		ctl-probe poke "$box" 0x1000 $i
		# shellcheck disable=SC2016 # for eval
		wait_for '[ "$(writes | wc -l)" = $i ]'
		sleep 0.2
	done
	watch_end
	assert_success
	assert_equal "$(writes | uniq -c | xargs)" "3 write 0x1000 4K -"
}

@test "--rearm TIME: no more often than that" {
	hold "0 1M rw memfd:a"
	watch --rearm 1 -t 8
	timeout 6 bash -c 'while ctl-probe poke "$0" 0x1000 1; do :; done' "$box" || true
	watch_end
	assert_success
	[ "$(writes | wc -l)" -ge 2 ]
	[ "$(writes | wc -l)" -le 9 ]
}

@test "--timeout: status 0, and 1 if --count was not reached" {
	hold "0 1M rw memfd:a"
	ctl watch "$box" -t 0.2
	assert_success
	ctl watch "$box" -t 0.2 -c 2
	assert_failure 1
	assert_error "watch: $box: 0 of 2 writes came in time"
}

@test "SIGINT and SIGTERM end it with status 0, and free the pages" {
	hold "0 1M rw memfd:a"
	for signal in INT TERM; do
		run timeout --preserve-status -s $signal 2 mshare-ctl watch "$box" -m signal
		assert_success
	done
	run ctl-probe poke "$box" 0x1000 7
	assert_success
}

@test "--on-close signal: stores are refused after the end" {
	hold "0 1M rw memfd:a"
	ctl watch "$box" 4K 4K -x signal -t 0.1
	assert_success
	run ctl-probe poke "$box" 0x1000 7
	assert_failure 135
	run ctl-probe poke "$box" 0x2000 7
	assert_success
	# Whoever may watch it frees it again.
	ctl watch "$box" 4K 4K -t 0.1
	assert_success
	run ctl-probe poke "$box" 0x1000 7
	assert_success
}

@test "--rearm with more writes than the queue takes: no page is missing" {
	hold "0 64M rw memfd:a"
	watch -J -R 1ms
	ctl-probe fill "$box" 0 64M
	sleep 1
	kill $watcher
	watch_end
	assert_success
	assert_equal "$(jq -r 'select(.type == "write" or .type == "scan") | . as $l | range(.offset; .offset + .length; 4096)' "$out" |
		sort -nu | wc -l)" 16384
}

@test "example: the checkpointer's copy is equal to the pool" {
	run "$tools/examples/checkpoint" -n 4 -w 4 -s 8M
	assert_success
	assert_line "base: 2048 pages"
	assert_line --regexp '^cycle 4: [0-9]+ pages'
	assert_line "the copy is equal to the pool"
	run "$tools/examples/checkpoint" -n 1 -w 0 -s 1M -o "$shm/copy"
	assert_success
	assert_line "cycle 1: 0 pages"
	assert_line "last: 0 pages"
	assert_equal "$(stat -c %s "$shm/copy")" 1048576
}
