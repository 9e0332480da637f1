#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# check and run: what the command that is started finds.
bats_require_minimum_version 1.8.0
load helper

setup()
{
	make_shm
}

teardown()
{
	drop_shm
}

@test "check: all is well, exit 0" {
	ctl check
	assert_success
	assert_equal "$stderr" ""
	assert_line --index 0 --regexp '^kernel +ok +Linux .*, with ptshare$'
	assert_line --index 1 --regexp '^config +ok +CONFIG_PTSHARE=y$'
	assert_line --index 2 --regexp '^device +ok +/dev/ptshare$'
	assert_line --index 3 --regexp '^permission +ok +may create containers$'
	assert_line --regexp '^features +ok +shmem notify$'
	assert_line --regexp '^limits +ok +[0-9]+ regions, 65536 ranges, granule [0-9]+[KMG]$'
	ctl check -J
	assert_success
	assert_json '[.check[].status] | unique == ["ok"]'
}

@test "check: without permission, exit 1 and a hint" {
	run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups "$(command -v mshare-ctl)" check
	assert_failure 1
	assert_line --regexp '^permission +denied +Permission denied$'
	assert_error "check: /dev/ptshare: Permission denied"
	assert_hint "be root, or a member of the group that owns /dev/ptshare"
	run --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups "$(command -v mshare-ctl)" run -f - true <<<"0 4K r memfd:a"
	assert_failure 125
	assert_error "run: /dev/ptshare: Permission denied"
}

@test "the udev rule's group and mode let its members in" {
	local rule=$ctl_dir/udev/60-ptshare.rules mode group=4242
	mode=$(sed -n 's/.*MODE="\([0-7]*\)".*/\1/p' "$rule")
	[ "$mode" = 0660 ]
	local before
	before=$(stat -c '%a %u:%g' /dev/ptshare)
	assert_equal "$before" "600 0:0"
	chown 0:$group /dev/ptshare
	chmod "$mode" /dev/ptshare
	run -0 setpriv --reuid=65534 --regid=65534 --groups=$group "$(command -v mshare-ctl)" check
	run -1 setpriv --reuid=65534 --regid=65534 --clear-groups "$(command -v mshare-ctl)" check
	chown 0:0 /dev/ptshare
	chmod 600 /dev/ptshare
}

@test "version -J names the features" {
	ctl version -J
	assert_success
	assert_json '.version[0].features == ["shmem", "notify"]'
}

@test "run hands over fd 3 as LISTEN_FDS tells" {
	# shellcheck disable=SC2016
	ctl run -f - -- sh -c 'echo "$LISTEN_FDS $LISTEN_FDNAMES"; [ $LISTEN_PID = $$ ] && readlink /proc/self/fd/3' <<<"0 4K rw memfd:a"
	assert_success
	assert_line --index 0 "1 ptshare"
	assert_line --index 1 "anon_inode:[ptshare]"
	ctl run -f - -- ctl-probe import "" <<<"0 4K rw memfd:a"
	assert_output "3 cloexec"
}

@test "run leaves nothing else open" {
	local file=$BATS_TEST_TMPDIR/layout
	printf '0 4K rw memfd:a\n4K 4K r %s/f\n' "$shm" >"$file"
	truncate -s 4K "$shm/f"
	# ls itself has one more, of the directory it reads
	run bash -c "exec </dev/null; for ((i = 4; i < 256; i++)); do eval \"exec \$i>&-\"; done 2>/dev/null
		exec mshare-ctl run -f $file -- ls -1 /proc/self/fd"
	assert_success
	assert_equal "$(xargs <<<"$output")" "0 1 2 3 4"
}

@test "run gives the command's own status" {
	for status in 0 1 2 3 7 125 255; do
		ctl run -f - -- sh -c "exit $status" <<<"0 4K rw memfd:a"
		assert_failure $status || assert_success
	done
	# shellcheck disable=SC2016
	ctl run -f - -- sh -c 'kill -TERM $$' <<<"0 4K rw memfd:a"
	assert_failure 143
}

@test "run: 127 not found, 126 not executable, 125 own errors" {
	run -127 --separate-stderr mshare-ctl run -f - -- /nonexistent/command <<<"0 4K rw memfd:a"
	assert_error "run: /nonexistent/command: No such file or directory"
	ctl run -f - -- /etc/passwd <<<"0 4K rw memfd:a"
	assert_failure 126
	assert_error "run: /etc/passwd: Permission denied"
	ctl run -f - -- true <<<"0 4K rw /nonexistent"
	assert_failure 125
	assert_error "run: stdin:1: /nonexistent: No such file or directory"
}

@test "the command's options are the command's, with and without --" {
	ctl run -f - echo -f -h --attach <<<"0 4K rw memfd:a"
	assert_success
	assert_output -- "-f -h --attach"
	# shellcheck disable=SC2016
	ctl run -f - sh -c 'echo "$@"' sh --help <<<"0 4K rw memfd:a"
	assert_output -- "--help"
}

@test "the layout comes from a file or from standard input" {
	echo "0 4K rw memfd:a" >"$BATS_TEST_TMPDIR/layout"
	ctl run -f "$BATS_TEST_TMPDIR/layout" -- cat <<<"its own input"
	assert_success
	assert_output "its own input"
	ctl run --file - -- cat <<<"0 4K rw memfd:a"
	assert_success
	assert_output ""
}

@test "the length: default, --length" {
	ctl run -f - -- mshare-ctl info 3 -rno LENGTH,REGIONS,PROT <<<"1G 4K rw memfd:a"
	assert_output "2G 1 rw"
	ctl run -f - --length 8T -- mshare-ctl info 3 -rno LENGTH <<<"0 4K rw memfd:a"
	assert_output "8T"
	ctl run -f /dev/null -l 8K -- mshare-ctl info 3 -rno LENGTH,REGIONS
	assert_output "8K 0"
	ctl run -f - --length 4K -- true <<<"0 8K rw memfd:a"
	assert_failure 125
	assert_error "run: stdin:1: 0x0+8K rw: leaves the container (EINVAL)"
}

@test "--max-prot r refuses what would write" {
	ctl run -f - --max-prot r -- mshare-ctl info 3 -rno PROT <<<"0 4K r memfd:a"
	assert_output "r"
	ctl run -f - -m r -- true <<<"0 4K rw memfd:a"
	assert_failure 125
	assert_error "run: stdin:1: 0x0+4K rw: exceeds max_prot or the mode of the file (EACCES)"
}

@test "--attach: map and query, nothing else" {
	local layout=$'0 4K rw memfd:a\n4K 4K r memfd:b'
	ctl run --attach -f - -- mshare-ctl table 3 -r -o OFFSET,LENGTH,PROT <<<"$layout"
	assert_success
	assert_output $'OFFSET LENGTH PROT\n0x0 4K rw\n0x1000 4K r'
	ctl run -a -f - -- ctl-probe poke 3 0 1 <<<"$layout"
	assert_success
	ctl run -a -f - -- mshare-ctl protect 3 0 4K r <<<"$layout"
	assert_failure 1
	assert_error "protect: 3: this is no control fd (EPERM)"
	ctl run -a -f - -- mshare-ctl unmap 3 0 4K <<<"$layout"
	assert_failure 1
	assert_error "unmap: 3: 0x0+4K: this is no control fd (EPERM)"
	ctl run -a -f - -- mshare-ctl map 3 8K 4K r memfd:c <<<"$layout"
	assert_failure 1
	assert_error "map: 0x2000+4K r: not a control fd, or container or file is sealed (EPERM)"
}

@test "lines with the same memfd share its memory; it is large enough" {
	hold $'0 1M rw memfd:a\n1G 1M rw memfd:a 1M\n2G 2M r memfd:a\n4G 4K rw memfd:b'
	ctl-probe poke "$box" 1M 0 && fail "a store to a hole went through"
	ctl-probe poke "$box" 0x400ff000 beef
	run ctl-probe peek "$box" 0x801ff000
	assert_output beef
	ctl-probe poke "$box" 0xff8 1234
	run ctl-probe peek "$box" 0x80000ff8
	assert_output 1234
	run ctl-probe peek "$box" 4G
	assert_output 0
}

@test "sources: files by path, for reading only where nothing writes" {
	head -c 8192 /dev/zero | tr '\0' 'A' >"$shm/a b"
	cp "$shm/a b" "$shm/c"
	hold "0 8K r $shm/a\\040b
		1M 4K rw $shm/c 4K"
	run ctl-probe peek "$box" 0xff8
	assert_output 4141414141414141
	ctl-probe poke "$box" 1M 4242424242424242
	run head -c 4104 "$shm/c"
	assert_output "$(printf 'A%.0s' {1..4096})BBBBBBBB"
	ctl protect "$box" 0 4K rw
	assert_failure 1
	assert_error "protect: $box: 0x0+4K rw: exceeds the mode that the backing was opened with (EACCES)"
}

@test "sources: fd:N" {
	run ctl-probe open memfd:mine 1M 7 mshare-ctl run -f - -- sh -c \
		'ctl-probe poke 3 4K abcd; od -An -tx8 -j8192 -N8 /proc/self/fd/7' <<<"0 64K rw fd:7 4K"
	assert_success
	assert_output " 000000000000abcd"
	ctl run -f - -- true <<<"0 4K rw fd:77"
	assert_failure 125
	assert_error "run: stdin:1: fd:77: Bad file descriptor"
}

@test "sources that this kernel can't show" {
	ctl run -f - -- true <<<"0 4K r /etc/passwd"
	assert_failure 125
	assert_error "run: stdin:1: 0x0+4K r: this kernel can't show this kind of file (EOPNOTSUPP)"
	assert_hint "memfd and files on tmpfs work, as in /dev/shm"
	ctl run -f - -- true <<<"0 4K r /dev/zero"
	assert_failure 125
	ctl run -f - -- true <<<"0 4K r /"
	assert_failure 125
	if [ -d /sys/kernel/mm/hugepages/hugepages-2048kB ]; then
		ctl run -f - -- true <<<"0 2M r hugetlb:2M:huge"
		assert_failure 125
		assert_error "run: stdin:1: 0x0+2M r: this kernel can't show huge pages in a container (EOPNOTSUPP)"
	fi
}
