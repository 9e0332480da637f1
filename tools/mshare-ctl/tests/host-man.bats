#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# Manual and completion: they render, and know what the tool and the library know.
bats_require_minimum_version 1.8.0
load helper

setup_file()
{
	# What has no page of its own has a link, which is made by the installation.
	make -s -C "$BATS_TEST_DIRNAME/.." O="$BATS_FILE_TMPDIR/o" PREFIX=/usr \
		DESTDIR="$BATS_FILE_TMPDIR/dest" install-man >&2
	export MAN3=$BATS_FILE_TMPDIR/dest/usr/share/man/man3
}

page_sh=$BATS_TEST_DIRNAME/../man/page.sh

# The functions that the library exports.
exported()
{
	nm -D --defined-only "$tools/lib/libptshare.so" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }'
}

# Prototypes of functions, one a line, spelled alike.
prototypes()
{
	tr '\n' ' ' | tr ';' '\n' | grep -o '[a-z_0-9 *]*\bptshare_[a-z_]*(.*)' |
		sed -E 's/[[:space:]]+/ /g; s/ ?([*(),]) ?/\1/g; s/^ //; s/ $//'
}

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

@test "the manual is written without mistakes" {
	for page in "$ctl_dir"/man/*.rst; do
		run rst2man --strict "$page" /dev/null
		assert_success
		assert_output ""
	done
}

@test "pages of programmers fit a terminal" {
	local page
	for page in "$tools"/man/*.[347]; do
		# Bold is a letter, a backspace and the letter again.
		run awk '{ gsub(/.\b/, "") } length > 80' <(mandoc -Tascii -O width=80 "$page")
		assert_output ""
	done
}

@test "each function of the library has a page" {
	for name in $(exported); do
		[ -f "$MAN3/$name.3" ] || fail "no page for $name"
	done
}

@test "a link leads to a page that has the name" {
	for page in "$MAN3"/*; do
		local name target
		name=$(basename "$page" .3)
		target=$(sed -n 's/^\.so man3\///p' "$page")
		[ -n "$target" ] || target=$name.3
		sed -n '/^\.SH NAME/{n;p}' "$MAN3/$target" | grep -qw "$name" ||
			fail "$name: $target is not about it"
	done
}

@test "a link shows the page, with all its names" {
	cd "$MAN3/.."
	run mandoc -Tascii man3/ptshare_scan.3
	assert_success
	assert_line --regexp '^ +ptshare_notify, +ptshare_arm, +ptshare_resolve, +ptshare_scan - '
}

@test "synopsis and header have the same prototypes" {
	local page
	assert_equal "$(for page in "$ctl_dir"/man/*.3.rst; do
				"$page_sh" synopsis "$page" | grep -v '^#' | prototypes
			done | sort)" \
		"$(gcc -E -P -I"$ctl_dir/include" -I"$repo/include/uapi" "$ctl_dir/include/ptshare.h" |
			prototypes | grep -v '{' | sort)"
}

@test "pages of the library have the sections that readers look for" {
	local page
	for page in "$ctl_dir"/man/*.3.rst; do
		assert_equal "$(grep -B1 -x '=\+' "$page" | grep -xE '[A-Z ]+' | xargs)" \
			"SYNOPSIS DESCRIPTION RETURN VALUE ERRORS THREAD SAFETY EXAMPLE SEE ALSO"
	done
}

@test "pages refer to pages that exist" {
	local ref
	for ref in $(grep -oh '\*\*\(lib\)\?ptshare[a-z_]*\*\*\\([347])' "$ctl_dir"/man/*.rst | tr -d '*\\' | sort -u); do
		local name=${ref%(*} section=${ref: -2:1}
		[ -f "$MAN3/../man$section/$name.$section" ] || fail "no $ref"
	done
}

@test "the page of the device has the ioctls, errnos and keys that there are" {
	local page=$ctl_dir/man/ptshare.4.rst uapi=$repo/include/uapi/linux/ptshare.h
	assert_equal "$(sed -nE 's/^    ([A-Z_]+) +(0x[0-9a-f]+) .*/\1 \2/p' "$page")" \
		"$(sed -nE 's/^#define PTSHARE_IOC_([A-Z_]+).*, (0x[0-9a-f]+)\)$/\1 \2/p' "$uapi")"
	assert_equal "$(sed -n '/^ERRORS/,/^FILES/p' "$page" | grep -oxE 'E[A-Z0-9]+' | grep -v ERRORS | sort)" \
		"$(grep -oE '^ \*  - E[A-Z0-9]+' "$uapi" | grep -oE 'E[A-Z0-9]+$' | sort)"
	assert_equal "$(grep -oE '^    ptshare-[a-zA-Z-]+' "$page" | tr -d ' ' | sort)" \
		"$(grep -ohE '"ptshare-[a-zA-Z-]+:' "$repo"/fs/ptshare*.c | tr -d '":' | sort)"
}

@test "manual and help have the same options" {
	for page in "$ctl_dir"/man/mshare-ctl-*.rst; do
		local command=${page##*/mshare-ctl-}
		command=${command%%.*}
		assert_equal "$(grep -o '^-., --[a-z-]*' "$page" | sed 's/^/  /' | sort)" \
			"$(options_of "$command")"
	done
}

# The part of the manual that is about a command.
section_of()
{
	awk -v want="$1" '
		/^(--+|==+)$/ { inside = last == want; next }
		inside { print last }
		{ last = $0 }' "$ctl_dir/man/mshare-ctl.8.rst"
}

# Long and short options in a text of the manual, as options_of has them.
options_in()
{
	grep -o '^-., --[a-z-]*' | sed 's/^/  /'
}

@test "the manual has the commands that the help has, in that order" {
	run awk '/^COMMANDS$/ { inside = 1 } /^OPTIONS OF TABLES$/ { inside = 0 }
		/^--+$/ && inside { print last } { last = $0 }' "$ctl_dir/man/mshare-ctl.8.rst"
	assert_success
	assert_output "$(commands_of_help)"
}

@test "the manual has each command's options, and no others" {
	local common
	common=$(section_of "OPTIONS OF TABLES" | options_in)
	for command in $(commands_of_help); do
		case $command in
		# watch has a page of its own
		help | watch)	continue ;;
		esac
		local options
		options=$(section_of "$command" | options_in)
		if mshare-ctl help "$command" | grep -q -- --output; then
			options+=$'\n'$common
		else
			options+=$'\n  -h, --help'
		fi
		assert_equal "$command: $(sort <<<"$options" | xargs)" "$command: $(options_of "$command" | xargs)"
	done
}

@test "the manual names where holders are, and the statuses" {
	run cat "$ctl_dir/man/mshare-ctl.8.rst"
	assert_line "*/run/mshare/NAME*"
	assert_line "*/etc/mshare/NAME.layout*"
	for status in 0 1 2 3; do
		assert_line "$status"
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

@test "completion: seals are those that the tool takes" {
	complete_words seal 99 ""
	assert_equal "$(xargs <<<"$output")" "layout prot seal"
	for word in $output; do
		ctl seal 99 "$word"
		assert_error "seal: 99: Bad file descriptor (EBADF)"
	done
	complete_words seal 99 layout p
	assert_output prot
}

@test "completion: names and fds are those that list tells" {
	# a tool that knows of two containers
	mkdir "$BATS_TEST_TMPDIR/bin"
	cat >"$BATS_TEST_TMPDIR/bin/mshare-ctl" <<-'END'
		#!/bin/sh
		case $* in
		"list -rno NAME")	printf 'db0\n\n' ;;
		"list -rno HOLDERS")	printf '17:3,18,19:4\n20:5\n' ;;
		*)	exit 1 ;;
		esac
	END
	chmod +x "$BATS_TEST_TMPDIR/bin/mshare-ctl"
	PATH=$BATS_TEST_TMPDIR/bin:$PATH
	for command in map unmap protect seal info table stat watch; do
		complete_words $command ""
		assert_equal "$(xargs <<<"$output")" "db0 17:3 19:4 20:5"
	done
	complete_words attach ""
	assert_output db0
}

@test "completion: users and groups" {
	for option in -O --owner -u --user; do
		complete_words hold db0 $option roo
		assert_output root
	done
	complete_words hold db0 --group roo
	assert_output root
	complete_words hold db0 -m r
	assert_output $'r\nrw'
}
