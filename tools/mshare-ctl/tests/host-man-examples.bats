#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# The programs of the manual, as far as that goes without a kernel for them.
bats_require_minimum_version 1.8.0
load helper

page_sh=$BATS_TEST_DIRNAME/../man/page.sh

# The pages with an example, all of sections 3 and 4.
pages()
{
	ls "$ctl_dir"/man/*.[34].rst
}

program()
{
	echo "$tools/man-examples/$(basename "$1" .rst)"
}

@test "each page has a program and what it prints" {
	for page in $(pages); do
		"$page_sh" example "$page" | grep -q '^int main(' || fail "$page: no program"
		[ -n "$("$page_sh" output "$page")" ] || fail "$page: no output"
	done
}

@test "each compiles without a warning, as it stands" {
	cd "$BATS_TEST_TMPDIR"
	for page in $(pages); do
		"$page_sh" example "$page" >example.c
		run gcc -O2 -Wall -Wextra -Werror -I"$ctl_dir/include" -I"$repo/include/uapi" \
			example.c -o example -L"$tools/lib" -lptshare
		assert_success
		assert_output ""
	done
}

@test "what was built is what the page has" {
	for page in $(pages); do
		cmp <("$page_sh" example "$page") "$(program "$page").c"
	done
}

@test "the program that needs no kernel prints what its page says" {
	local page=$ctl_dir/man/ptshare_size_parse.3.rst
	run --separate-stderr "$(program "$page")"
	assert_success
	assert_equal "$stderr" ""
	assert_output "$("$page_sh" output "$page")"
}

@test "the others tell that the kernel lacks containers" {
	need_no_device
	for page in $(pages); do
		[[ $page != */ptshare_size_parse.3.rst ]] || continue
		run timeout 10 "$(program "$page")"
		assert_failure 1
		assert_line --partial "No such file or directory"
	done
}
