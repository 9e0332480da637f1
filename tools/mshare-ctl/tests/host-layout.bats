#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The layout and range parsers, by the library's own view and by error lines.
bats_require_minimum_version 1.8.0
load helper

layout()
{
	run ctl-probe layout <<<"$1"
}

# The error line of run for a layout; run checks it before it needs a kernel.
refused()
{
	ctl run -f - -- true <<<"$1"
	assert_failure 125
	assert_error "run: stdin:$2"
}

@test "sizes" {
	while read -r text value; do
		run ctl-probe size "$text"
		assert_output "$value"
	done <<-'END'
		0 0 0
		1 1 1
		4096 4096 4K
		0x1000 4096 4K
		0X1F 31 31
		4K 4096 4K
		4k 4096 4K
		3M 3145728 3M
		1G 1073741824 1G
		2T 2199023255552 2T
		0x2K 2048 2K
		1025K 1049600 1025K
		2048T 2251799813685248 2048T
		010 10 10
		16777215T 18446742974197923840 16777215T
		18446744073709551615 18446744073709551615 18446744073709551615
	END
}

@test "what is no size" {
	for text in "" K x 0x -1 +1 1KB 1KK 1P 1.5M " 1" "1 " 0x0x1 1K1 0xg; do
		run ctl-probe size "$text"
		assert_failure
		assert_output EINVAL
	done
	for text in 18446744073709551616 16777216T 0x10000000000000000; do
		run ctl-probe size "$text"
		assert_failure
		assert_output ERANGE
	done
}

@test "all kinds of sources and permissions" {
	layout "$(cat <<-'END'
		# a comment
		0      1M  rw  memfd:cache   # another
		1M     1M  r   memfd:cache 1M

		0x200000 4K - /dev/shm/x
		4M 2M rw- hugetlb:2M:huge
		8M 4K none fd:7 0x1000
		9M 4K r-- ./memfd:x
		10M 4K --- relative/path#1
		11M 4K r- hugetlb:1G:a:b
	END
	)"
	assert_success
	assert_output "$(cat <<-'END'
		# 8 regions, 1G, rw
		0x0 1M rw memfd:cache 0x0
		0x100000 1M r memfd:cache 0x100000
		0x200000 4K - /dev/shm/x 0x0
		0x400000 2M rw hugetlb:2M:huge 0x0
		0x800000 4K - fd:7 0x1000
		0x900000 4K r ./memfd:x 0x0
		0xa00000 4K - relative/path#1 0x0
		0xb00000 4K r hugetlb:1G:a:b 0x0
	END
	)"
}

@test "what the library prints reads back the same" {
	layout $'0 1M rw memfd:a\n1G 2M r /x/y 4K\n3G 4K - fd:3'
	assert_success
	local once=$output
	layout "$once"
	assert_success
	assert_output "$once"
}

@test "the length is the end of the last region, up to 1G" {
	layout "0 4K r memfd:a"
	assert_line --index 0 "# 1 regions, 1G, r"
	layout $'5G 4K - memfd:a\n0 4K rw memfd:a'
	assert_line --index 0 "# 2 regions, 6G, rw"
	layout "0 1G - memfd:a"
	assert_line --index 0 "# 1 regions, 1G, r"
	layout "1M 1G r memfd:a"
	assert_line --index 0 "# 1 regions, 2G, r"
}

@test "the empty layout" {
	layout ""
	assert_success
	assert_output "# 0 regions, 0, r"
	layout $'\n  \n# only comments\n'
	assert_success
	ctl run -f /dev/null -- true
	assert_failure 125
	assert_error "run: /dev/null: the layout is empty"
}

@test "escapes, tabs, carriage returns, no last newline" {
	run ctl-probe layout < <(printf '0\t4K  r\v/a\\040b\\134c\\043d\r\n4K 4K r #x\n4K 4K r \\043x')
	assert_failure
	assert_output "EINVAL line 2: expected 'offset length prot source [source-offset]'"
	run ctl-probe layout < <(printf '0\t4K  r\v/a\\040b\\134c\\043d\r\n4K 4K r \\043x')
	assert_success
	assert_line --index 1 '0x0 4K r /a b\c#d 0x0'
	assert_line --index 2 '0x1000 4K r #x 0x0'
}

@test "malformed lines name the line and the cause" {
	refused "0 4K" "1: expected 'offset length prot source [source-offset]'"
	refused $'# x\n\n0 4K r' "3: expected 'offset length prot source [source-offset]'"
	refused "0 4K r a b c" "1: expected 'offset length prot source [source-offset]'"
	refused "0 4K r a b c d e f g" "1: too many words"
	refused "x 4K r memfd:a" "1: offset 'x' is no number"
	refused "0 4Q r memfd:a" "1: length '4Q' is no number"
	refused "0 16777216T r memfd:a" "1: length '16777216T' is too large"
	refused "0 0 r memfd:a" "1: length is 0"
	refused "0 4K x memfd:a" "1: permission 'x' is none of r, rw, -"
	refused "0 4K w memfd:a" "1: permission 'w' is none of r, rw, -"
	refused "0 4K rwx memfd:a" "1: permission 'rwx' is none of r, rw, -"
	refused "8191P 4K r memfd:a" "1: offset '8191P' is no number"
	refused "8388607T 2T r memfd:a" "1: 8388607T+2T ends beyond 8 EiB"
	refused "0 4K r memfd:a 8388608T" "1: source-offset 8388608T is too large"
	refused '0 4K r /a\04' "1: '/a\04': a backslash needs three octal digits, \\001 to \\377"
	refused '0 4K r /a\000' "1: '/a\000': a backslash needs three octal digits, \\001 to \\377"
}

@test "bad sources" {
	refused "0 4K r memfd:" "1: source 'memfd:': the name is missing"
	refused "0 4K r memfd:$(printf '%0250d' 0)" "1: source 'memfd:$(printf '%094d' 0)': the name is too long"
	refused "0 4K r hugetlb:2M" "1: source 'hugetlb:2M': expected 'hugetlb:SIZE:NAME'"
	refused "0 4K r hugetlb:3M:a" "1: source 'hugetlb:3M:a': the page size must be a power of two, as 2M"
	refused "0 4K r hugetlb:2M:" "1: source 'hugetlb:2M:': the name is missing"
	refused "0 4K r fd:x" "1: source 'fd:x': expected 'fd:N'"
	refused "0 4K r fd:" "1: source 'fd:': expected 'fd:N'"
	refused "0 4K r fd:0x3" "1: source 'fd:0x3': expected 'fd:N'"
	refused "0 4K r fd:99999999999" "1: source 'fd:99999999999': expected 'fd:N'"
}

@test "what is misaligned gets the next aligned value" {
	refused "0x1001 4K r memfd:a" "1: offset 0x1001 is no multiple of the page size 4K"
	assert_hint "next aligned value: 0x2000"
	refused "0 5000 r memfd:a" "1: length 5000 is no multiple of the page size 4K"
	assert_hint "next aligned value: 0x2000"
	refused "0 4K r memfd:a 1" "1: source-offset 1 is no multiple of the page size 4K"
	assert_hint "next aligned value: 0x1000"
}

@test "lines that overlap" {
	refused $'0 8K r memfd:a\n# x\n4K 4K r memfd:b' "3: 0x1000+4K overlaps line 1"
	refused $'4K 4K r memfd:a\n0 1M r memfd:b' "2: 0x0+1M overlaps line 1"
	refused $'4K 4K r memfd:a\n4K 4K r memfd:a' "2: 0x1000+4K overlaps line 1"
	layout $'8K 4K r memfd:a\n0 4K r memfd:a\n4K 4K r memfd:a'
	assert_success
}

@test "a zero byte" {
	run ctl-probe layout < <(printf '0 4K r a\0b\n')
	assert_failure
	assert_output "EINVAL line 0: zero byte at position 8"
}

@test "many lines" {
	local file=$BATS_TEST_TMPDIR/many
	seq 0 9999 | awk '{ print $1 * 8 "K 4K r memfd:a" }' | shuf >"$file"
	run ctl-probe layout <"$file"
	assert_success
	assert_line --index 0 "# 10000 regions, 1G, r"
}

@test "files that can't be read" {
	ctl run -f /nonexistent -- true
	assert_failure 125
	assert_error "run: /nonexistent: No such file or directory"
	ctl run -f / -- true
	assert_failure 125
	assert_error "run: /: Is a directory"
	ctl protect 0 -f /nonexistent
	assert_failure 1
}

@test "run's own options" {
	for length in x 0 -1 1P; do
		ctl run -f /dev/null --length=$length -- true
		assert_failure 125
		assert_error "run: length '$length' is no size"
	done
	ctl run -f /dev/null --length 5000 -- true
	assert_failure 125
	assert_hint "next aligned value: 0x2000"
	for prot in - x rwx; do
		ctl run -f /dev/null --max-prot=$prot -- true
		assert_failure 125
		assert_error "run: max-prot '$prot' is neither r nor rw"
	done
}

@test "arguments of map, unmap and protect are checked first" {
	ctl protect 99 0x1001 4K r
	assert_failure 2
	assert_error "protect: offset 0x1001 is no multiple of the page size 4K"
	assert_hint "next aligned value: 0x2000"
	ctl protect 99 0 4K rwx
	assert_failure 2
	assert_error "protect: permission 'rwx' is none of r, rw, -"
	ctl protect 99 0 4K r 1M 0 r
	assert_failure 2
	assert_error "protect: length is 0"
	ctl unmap 99 1 4K
	assert_failure 2
	assert_error "unmap: offset 1 is no multiple of the page size"
	assert_hint "next aligned value: 0x1000"
	ctl unmap 99 0 x
	assert_failure 2
	assert_error "unmap: length 'x' is no size"
}

@test "ranges in a file" {
	local file=$BATS_TEST_TMPDIR/ranges
	printf '# none\n' >"$file"
	ctl protect 99 -f "$file"
	assert_failure 1
	assert_error "protect: $file: no ranges"
	printf '0 4K r\n# x\n4K 4K\n' >"$file"
	ctl protect 99 -f "$file"
	assert_failure 1
	assert_error "protect: $file:3: expected 'offset length prot'"
	ctl protect 99 -f - <<<"0 4K r memfd:a"
	assert_failure 1
	assert_error "protect: stdin:1: expected 'offset length prot'"
}

# The fuzz target by the sanitizers of gcc; "make fuzz" has the fuzzer itself.
fuzz_target()
{
	gcc -std=gnu11 -D_GNU_SOURCE -I"$ctl_dir/include" -I"$repo/include/uapi" -g \
		-fsanitize=address,undefined -fno-sanitize-recover=all -o "$1" \
		"$ctl_dir"/fuzz/{replay,layout-fuzz}.c "$ctl_dir/src/escape.c" \
		"$ctl_dir"/lib/{layout,parse}.c
}

@test "what table would print for the fuzzer's seeds reads back the same" {
	fuzz_target "$BATS_TEST_TMPDIR/replay"
	run "$BATS_TEST_TMPDIR/replay" "$ctl_dir"/fuzz/corpus/*
	assert_success
	assert_output ""
	printf '0 4K r /a\\040b#c\n4K 4K r \\043x\n8K 4K r /\303\244\\134\n' >"$BATS_TEST_TMPDIR/odd"
	run "$BATS_TEST_TMPDIR/replay" "$BATS_TEST_TMPDIR/odd"
	assert_success
}
