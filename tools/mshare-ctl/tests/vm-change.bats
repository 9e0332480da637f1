#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# map, unmap and protect on a live container of another process.
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

# offset, length and permission of each region, in one line
regions()
{
	mshare-ctl table "$box" -rn -o OFFSET,LENGTH,PROT | tr '\n' ','
}

@test "map adds a region, seen by a window that is there already" {
	hold "0 4K rw memfd:a"
	ctl-probe window "$box" >"$BATS_TEST_TMPDIR/out" 3>&- &
	holders+=($!)
	wait_for 'grep -q ready "$BATS_TEST_TMPDIR/out"'
	ctl map "$box" 1M 8K rw "$shm/f" 4K
	assert_success
	assert_equal "$output$stderr" ""
	assert_equal "$(regions)" "0x0 4K rw,0x100000 8K rw,"
	ctl-probe poke "$box" 0x101000 77
	run od -An -tx8 -j8192 -N8 "$shm/f"
	assert_output " 0000000000000077"
}

@test "map: options may stand anywhere, permissions as in layouts" {
	hold "0 4K rw memfd:a"
	ctl map --replace "$box" 0 4K - memfd:b
	assert_success
	ctl map "$box" 4K 4K r memfd:b -R
	assert_success
	ctl map "$box" 8K 4K none memfd:c
	assert_success
	assert_equal "$(regions)" "0x0 4K -,0x1000 4K r,0x2000 4K -,"
}

@test "map -f: several lines, one memfd" {
	hold "0 4K rw memfd:a"
	ctl map "$box" -f - <<<$'1M 4K rw memfd:x\n# none\n2M 4K r memfd:x'
	assert_success
	ctl-probe poke "$box" 1M 99
	run ctl-probe peek "$box" 2M
	assert_output 99
}

@test "map on a region: refused with a hint; --replace takes its place" {
	hold "0 8K rw memfd:a"
	ctl-probe poke "$box" 4K 11
	ctl map "$box" 4K 4K rw memfd:b
	assert_failure 1
	assert_error "map: 0x1000+4K rw: the range already has a region (EEXIST)"
	assert_hint "--replace takes its place"
	run ctl-probe peek "$box" 4K
	assert_output 11
	ctl map "$box" --replace 4K 4K rw memfd:b
	assert_success
	run ctl-probe peek "$box" 4K
	assert_output 0
}

@test "map: a failure leaves the container as it was" {
	hold $'0 4K rw memfd:a\n1M 4K r memfd:b'
	local before
	before=$(mshare-ctl table "$box")
	ctl map "$box" -f - <<<$'64K 4K rw memfd:x\n128K 4K rw memfd:x\n1M 4K r memfd:x'
	assert_failure 1
	assert_error "map: stdin:3: 0x100000+4K r: the range already has a region (EEXIST)"
	assert_equal "$(mshare-ctl table "$box")" "$before"
	ctl map "$box" -f - <<<$'64K 4K rw memfd:x\n128K 4K rw /nonexistent'
	assert_failure 1
	assert_error "map: stdin:2: /nonexistent: No such file or directory"
	ctl map "$box" -R -f - <<<$'64K 4K rw memfd:x\n128K 4K'
	assert_failure 1
	ctl map "$box" 1G 4K r memfd:x
	assert_failure 1
	assert_error "map: 0x40000000+4K r: leaves the container (EINVAL)"
	ctl map "$box" 8K 4K r /etc/passwd
	assert_failure 1
	assert_hint "memfd and files on tmpfs work, as in /dev/shm"
	assert_equal "$(mshare-ctl table "$box")" "$before"
}

@test "map: misaligned and malformed arguments are usage errors" {
	hold "0 4K rw memfd:a"
	ctl map "$box" 0x1001 4K r memfd:a
	assert_failure 2
	assert_error "map: offset 0x1001 is no multiple of the page size 4K"
	assert_hint "next aligned value: 0x2000"
	ctl map "$box" 4K 4K x memfd:a
	assert_failure 2
	ctl map "$box" 4K 4K r memfd:
	assert_failure 2
}

@test "map: an argument is one word, whatever is in it" {
	hold "0 4K rw memfd:a"
	truncate -s 4K "$shm/x y\\#z"
	ctl map "$box" 4K 4K r "$shm/x y\\#z"
	assert_success
	run mshare-ctl table "$box"
	assert_line "0x1000 4K r  $shm/x\\040y\\134#z 0x0" ||
		assert_output --partial "$shm/x\\040y\\134#z"
}

@test "unmap cuts regions and spans holes" {
	hold $'0 16K rw memfd:a\n1M 8K r memfd:b'
	ctl unmap "$box" 4K 4K
	assert_success
	assert_equal "$output$stderr" ""
	assert_equal "$(regions)" "0x0 4K rw,0x2000 8K rw,0x100000 8K r,"
	ctl unmap "$box" 12K 0xfe000
	assert_success
	assert_equal "$(regions)" "0x0 4K rw,0x2000 4K rw,0x101000 4K r,"
	ctl unmap "$box" 0 1G
	assert_success
	assert_equal "$(regions)" ""
}

@test "unmap: after it an access is a SIGBUS" {
	hold "0 8K rw memfd:a"
	ctl unmap "$box" 0 4K
	run ctl-probe peek "$box" 0
	assert_failure 135
	run ctl-probe peek "$box" 4K
	assert_success
}

@test "unmap: errors" {
	hold $'0 4K rw memfd:a'
	ctl unmap "$box" 1M 4K
	assert_failure 1
	assert_error "unmap: $box: 0x100000+4K: there is no region (ENOENT)"
	ctl unmap "$box" 0 2G
	assert_failure 1
	assert_error "unmap: $box: 0x0+2G: leaves the container, or is empty (EINVAL)"
	ctl unmap "$box" 0 0
	assert_failure 1
	assert_equal "$(regions)" "0x0 4K rw,"
}

@test "protect changes many ranges, from arguments" {
	hold $'0 16K rw memfd:a\n1M 8K r memfd:b'
	ctl protect "$box" 0 4K r 8K 4K - 1M 4K rw
	assert_success
	assert_equal "$output$stderr" ""
	assert_equal "$(regions)" "0x0 4K r,0x1000 4K rw,0x2000 4K -,0x3000 4K rw,0x100000 4K rw,0x101000 4K r,"
}

@test "protect: stores follow" {
	hold "0 8K rw memfd:a"
	ctl-probe poke "$box" 0 1
	ctl protect "$box" 0 4K r
	assert_success
	run ctl-probe poke "$box" 0 2
	assert_failure 139
	run ctl-probe peek "$box" 0
	assert_output 1
	ctl protect "$box" 0 4K none
	run ctl-probe peek "$box" 0
	assert_failure 139
	ctl protect "$box" 0 8K rw
	run ctl-probe poke "$box" 0 3
	assert_success
	run ctl-probe peek "$box" 0
	assert_output 3
}

@test "protect -f: many ranges in one call" {
	hold "0 16M rw memfd:a"
	seq 0 2 1998 | awk '{ print $1 * 4 "K 4K r # " NR }' >"$BATS_TEST_TMPDIR/ranges"
	ctl protect "$box" -f "$BATS_TEST_TMPDIR/ranges"
	assert_success
	assert_equal "$(mshare-ctl info "$box" -rno REGIONS)" 2000
	assert_equal "$(mshare-ctl table "$box" -n | wc -l)" 2000
	sed 's/ r / rw /' "$BATS_TEST_TMPDIR/ranges" | mshare-ctl protect "$box" -f -
	assert_equal "$(regions)" "0x0 16M rw,"
}

@test "protect: more ranges than one call takes" {
	hold "0 1G rw memfd:a"
	run --separate-stderr bash -c "seq 0 65536 | awk '{ print \$1 * 4 \"K 4K rw\" }' | mshare-ctl protect $box -f -"
	assert_failure 1
	assert_error "protect: $box: 65537 ranges, but one call takes at most 65536"
}

@test "protect: the refused range is named and nothing is changed" {
	hold $'0 1M rw memfd:a\n2M 2M r memfd:b' --max-prot rw
	local before
	before=$(mshare-ctl table "$box")
	ctl protect "$box" 0 4K r 1M 4K r
	assert_failure 1
	assert_error "protect: $box: 0x100000+4K r: meets a hole (ENOENT)"
	assert_hint "'mshare-ctl table $box' shows the regions"
	ctl protect "$box" 0 4K r 4K 4K - 0x200000 4M r
	assert_failure 1
	assert_error "protect: $box: 0x200000+4M r: meets a hole (ENOENT)"
	ctl protect "$box" 0 8K r 4K 8K r
	assert_failure 1
	[[ $stderr == *"overlaps another range (EINVAL)"* ]]
	ctl protect "$box" 0 4K r 1G 4K r
	assert_failure 1
	assert_error "protect: $box: 0x40000000+4K r: leaves the container (EINVAL)"
	ctl protect "$box" -f - <<<$'0 4K r\n4K 4K r\n1M 4K rw'
	assert_failure 1
	assert_error "protect: $box: 0x100000+4K rw: meets a hole (ENOENT)"
	assert_equal "$(mshare-ctl table "$box")" "$before"
}

@test "protect: beyond max_prot" {
	hold $'0 2M r memfd:a\n2M 2M r memfd:b' --max-prot r
	ctl protect "$box" 0 4K - 0x200000 2M rw
	assert_failure 1
	assert_error "protect: $box: 0x200000+2M rw: exceeds max_prot (EACCES)"
	assert_equal "$(regions)" "0x0 2M r,0x200000 2M r,"
}

@test "sealed: the reason is told" {
	hold "0 8K rw memfd:a"
	ctl-probe seal "$box" 4
	ctl protect "$box" 0 4K r
	assert_failure 1
	assert_error "protect: $box: the container is sealed (EPERM)"
	ctl-probe seal "$box" 2
	ctl unmap "$box" 0 4K
	assert_failure 1
	assert_error "unmap: $box: 0x0+4K: the container is sealed (EPERM)"
	ctl map "$box" 1M 4K r memfd:b
	assert_failure 1
	[[ $stderr == *"(EPERM)"* ]]
	assert_equal "$(mshare-ctl info "$box" -rno SEALS)" "layout,prot"
}

@test "an fd that is no container, and the device" {
	ctl info 0 </dev/null
	assert_failure 1
	assert_error "info: 0: not a container (ENOTTY)"
	ctl protect 0 0 4K r </dev/ptshare
	assert_failure 1
	assert_error "protect: 0: this is the device, not a container"
}
