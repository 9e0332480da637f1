#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Takes a manual page apart, for the Makefile and the tests: the calls of its
# synopsis, the program of its EXAMPLE section and what that is said to print.
#
# usage: page.sh synopsis|names|title|example|output PAGE.rst
#        page.sh links DIR PAGE.rst...	(a page for each call that has none)
set -eu

# The literal block number $2 of the section $1, without its indentation.
block()
{
	awk -v want="$1" -v number="$2" '
		/^=+$/ && last != "" { section = last }
		section == want && inside && /^[^ ]/ { inside = 0 }
		section == want && inside && NF && blanks && lines {
			for (; blanks; blanks--)
				print ""
		}
		section == want && inside && count == number {
			if (NF) {
				print substr($0, 5)
				lines++
				blanks = 0
			} else {
				blanks++
			}
		}
		section == want && /^[^ ].*::$|^::$/ { inside = 1; count++ }
		{ last = $0 }' "$3"
}

synopsis()
{
	block SYNOPSIS 1 "$1"
}

names()
{
	synopsis "$1" | grep -o '\bptshare_[a-z_]*(' | tr -d '('
}

# All that the page is about, as its NAME section has it.
title()
{
	local base

	base=$(basename "$1" .3.rst)
	{ echo "$base"; names "$1" | grep -vx "$base"; } | paste -sd, | sed 's/,/, /g'
}

links()
{
	local dir=$1 page base name
	shift

	for page in "$@"; do
		base=$(basename "$page" .rst)
		for name in $(names "$page"); do
			[ "$name.3" != "$base" ] || continue
			echo ".so man3/$base" >"$dir/$name.3"
		done
	done
}

mode=$1
shift
case $mode in
synopsis | names | title) "$mode" "$1" ;;
example) block EXAMPLE 1 "$1" ;;
output) block EXAMPLE 2 "$1" ;;
links) links "$@" ;;
*) echo "page.sh: no such mode: $mode" >&2; exit 2 ;;
esac
