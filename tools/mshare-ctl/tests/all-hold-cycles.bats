#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Ten thousand clients of one holder, one after the other: none of them leaves
# anything behind, in the holder or in the kernel.
bats_require_minimum_version 1.8.0
load helper

count=10000

setup()
{
	make_shm
	hold_name db0 "0 64M rw memfd:a"
	# What grows once only has grown then.
	hold-probe attach db0 500
	quiesce
}

teardown()
{
	drop_shm
	drop_names
}

# Memory that is freed later is free.
quiesce()
{
	sleep 1
	echo 3 >/proc/sys/vm/drop_caches
	echo 1 >/proc/sys/vm/stat_refresh
}

fds()
{
	ls "/proc/$holder/fd" | wc -l
}

holder_kB()
{
	awk '/^(RssAnon|VmData|VmPTE):/ { kb += $2 } END { print kb }' "/proc/$holder/status"
}

# Memory that no process would show.
kernel_kB()
{
	awk '/^(SUnreclaim|PageTables|SecPageTables|KernelStack|Percpu|Shmem):/ { kb += $2 } END { print kb }' /proc/meminfo
}

@test "10,000 clients that attach and detach leak no fd and no memory" {
	local fds holder_kb kernel_kb files
	fds=$(fds) holder_kb=$(holder_kB) kernel_kb=$(kernel_kB)
	files=$(cut -f1 /proc/sys/fs/file-nr)
	run -0 hold-probe attach db0 $count
	assert_output "$count times"
	quiesce
	assert_equal "$(fds)" "$fds"
	ctl info db0 -rno WINDOWS
	assert_output 0
	# one fd in a hundred clients would be more
	[ $(($(cut -f1 /proc/sys/fs/file-nr) - files)) -lt $((count / 100)) ]
	[ $(($(holder_kB) - holder_kb)) -le 16 ] || fail "holder: $holder_kb kB, then $(holder_kB) kB"
	# as would 100 bytes of each
	[ $(($(kernel_kB) - kernel_kb)) -lt $((count / 10)) ] || fail "kernel: $kernel_kb kB, then $(kernel_kB) kB"
	echo "# holder $holder_kb to $(holder_kB) kB, kernel $kernel_kb to $(kernel_kB) kB" >&3
}

@test "10,000 clients that only ask leak no fd" {
	local fds
	fds=$(fds)
	run -0 hold-probe cycle db0 $count
	assert_output "$count cycles"
	assert_equal "$(fds)" "$fds"
	ctl list -rno HOLDERS
	assert_output "$(ls -l "/proc/$holder/fd" | sed -n "s|.* \([0-9]*\) -> anon_inode:\[ptshare\]|$holder:\1|p")"
}
