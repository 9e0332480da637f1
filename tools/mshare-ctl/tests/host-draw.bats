#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The picture of table --draw, of layouts that are not assembled.
bats_require_minimum_version 1.8.0
load helper

layout='0 1G rw memfd:a
1G 512M r memfd:a
2G 256M - memfd:b
3G 4K r memfd:c
0xc0001000 4K rw memfd:c'

# The picture of the layout on standard input: WIDTH LENGTH [LOCALE]
draw()
{
	COLUMNS=$1 LC_ALL=${3:-C} run ctl-probe draw "$2"
	assert_success
}

@test "regions, holes and permissions, with a legend" {
	draw 60 4G <<<"$layout"
	assert_output "\
0                                                         4G
###############========.......----...........%..............
'              '              '              \"
# rw  = r  - no access  . hole  % mixed  ' a region begins
\" several begin  1 column is about 68M"
}

@test "UTF-8 where the locale has it" {
	draw 60 4G C.UTF-8 <<<"$layout"
	assert_line --index 1 "███████████████▓▓▓▓▓▓▓▓·······░░░░···········▚··············"
	assert_line --index 2 "╵              ╵              ╵              ╹"
	assert_line --index 3 "█ rw  ▓ r  ░ no access  · hole  ▚ mixed  ╵ a region begins"
}

@test "no width is exceeded, and the bar has all of it" {
	for width in {1..70} 80 100 132 200 1000; do
		for locale in C C.UTF-8; do
			draw "$width" 4G $locale <<<"$layout"
			local widest
			widest=$(LC_ALL=C.UTF-8 wc -L <<<"$output")
			assert_equal "$width $widest" "$width $width"
		done
	done
}

@test "the legend names only what is there" {
	draw 80 1G <<<"0 1G rw memfd:a"
	assert_line --index 1 "$(printf '#%.0s' {1..80})"
	assert_line --index 3 "# rw  ' a region begins  1 column is about 13M"
	draw 80 1T </dev/null
	assert_line --index 1 "$(printf '.%.0s' {1..80})"
	assert_line --index 2 ". hole  1 column is about 13G"
	assert_equal "${#lines[@]}" 3
}

@test "a region of one page is seen at either end of 16T" {
	draw 20 16T <<<$'0 4K r memfd:a\n0xffffffff000 4K rw memfd:a'
	assert_line --index 1 "=..................#"
	assert_line --index 2 "'                  '"
}

@test "each column is one page, exactly" {
	draw 8 32K <<<$'0 4K r memfd:a\n8K 8K rw memfd:a\n28K 4K - memfd:a'
	assert_line --index 1 "=.##...-"
	assert_line --index 2 "' '    '"
}

@test "columns narrower than a page" {
	draw 12 8K <<<"0 4K r memfd:a"
	assert_line --index 1 "======......"
	draw 5000 4K <<<"0 4K r memfd:a"
	assert_equal "${#lines[1]}" 4096
}

@test "the width: COLUMNS, else 80 where there is no terminal" {
	for columns in "" 0 x -5 5x " 7"; do
		draw "$columns" 1G </dev/null
		assert_equal "$columns ${#lines[1]}" "$columns 80"
	done
	run env -u COLUMNS ctl-probe draw 1G </dev/null
	assert_equal "${#lines[1]}" 80
}

@test "the width: the terminal's, unless COLUMNS is set" {
	run script -qec "stty cols 33; LC_ALL=C env -u COLUMNS ctl-probe draw 1G </dev/null" /dev/null
	assert_success
	assert_equal "$(tr -d '\r' <<<"${lines[1]}")" "$(printf '.%.0s' {1..33})"
	run script -qec "stty cols 33; LC_ALL=C COLUMNS=21 ctl-probe draw 1G </dev/null" /dev/null
	assert_equal "$(tr -d '\r' <<<"${lines[1]}")" "$(printf '.%.0s' {1..21})"
}
