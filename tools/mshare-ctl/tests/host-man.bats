#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Manual and completion: they render, and know what the tool knows.
bats_require_minimum_version 1.8.0
load helper

# Short and long options of a command, one a line.
options_of()
{
	mshare-ctl help "$1" | grep -o '^  -., --[a-z-]*' | sort
}

commands_of_help()
{
	mshare-ctl help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

@test "the manual renders without complaints" {
	for page in "$tools"/man/*; do
		run mandoc -Tlint -W error "$page"
		assert_success
		assert_output ""
	done
}

@test "manual and help have the same options" {
	for page in "$ctl_dir"/man/mshare-ctl-*.rst; do
		local command=${page##*/mshare-ctl-}
		command=${command%%.*}
		assert_equal "$(grep -o '^-., --[a-z-]*' "$page" | sed 's/^/  /' | sort)" \
			"$(options_of "$command")"
	done
}

complete_words()
{
	run bash --norc -c '
		. "$1"
		shift
		COMP_WORDS=(mshare-ctl "$@")
		COMP_CWORD=$#
		COMPREPLY=()
		_mshare_ctl
		printf "%s\n" "${COMPREPLY[@]}"' bash "$ctl_dir/bash-completion/mshare-ctl" "$@"
	assert_success
}

@test "completion: commands" {
	complete_words ""
	assert_equal "$(sort <<<"$output" | xargs)" \
		"$(commands_of_help | sort | xargs)"
	complete_words wa
	assert_output watch
	complete_words help un
	assert_output unmap
}

@test "completion: the options of each command" {
	for command in $(commands_of_help); do
		[ "$command" != help ] || continue
		complete_words $command --
		assert_equal "$(sort <<<"$output")" "$(options_of $command | cut -d' ' -f4 | sort)"
	done
}

@test "completion: what an option takes is what the tool takes" {
	for option in --mode --on-kernel --on-close --answer; do
		complete_words watch 1:3 $option ""
		assert_equal "$(wc -w <<<"$output")" "$(
			# The help has them between bars, or before colons.
			if [ $option = --mode ]; then
				echo 3
			else
				mshare-ctl help watch | grep -o -- "$option .*" | tr '|' '\n' | wc -l
			fi)"
		for word in $output; do
			ctl watch 99 $option "$word"
			assert_failure 1
			assert_error "watch: 99: Bad file descriptor (EBADF)"
		done
	done
	complete_words watch 1:3 -w n
	assert_output never
}
