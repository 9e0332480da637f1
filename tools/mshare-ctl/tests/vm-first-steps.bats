#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# What README and the administrator's guide tell newcomers to type works, and
# prints what they say.
# shellcheck disable=SC2154 # repo is helper's
bats_require_minimum_version 1.8.0
load helper

guide=$repo/Documentation/admin-guide/mm/ptshare.rst

setup()
{
	need_device
	work=$(mktemp -d /tmp/steps.XXXXXX)
}

teardown()
{
	[ -z "${work:-}" ] || rm -rf "$work" /tmp/demo.layout /tmp/count /tmp/count.c /tmp/writes /tmp/inherit.py
	drop_names
}

# The literal blocks of the section $1, without the tab before each line.
blocks()
{
	awk -v title="$1" '
		/^=+$/ { inside = last == title }
		inside && /^\t/ { print substr($0, 2) }
		inside && /^$/ { print "" }
		{ last = $0 }' "$guide"
}

# What is typed behind "#" as a script that marks what each command prints, or
# what should be printed, marked the same. A command in the background gets the
# time that a reader takes.
typed_or_shown()	# typed|shown
{
	awk -v typed="$([ "$1" = typed ] && echo 1 || echo 0)" '
		function finish() {
			if (typed && command != "")
				print "echo \"# \"" nr "\n" command (command ~ /&$/ ? "\nsleep 3" : "")
			command = ""
		}
		/^# / {
			finish()
			command = substr($0, 3)
			here = / <<.END.$/
			nr++
			if (!typed) print "# " nr
			next
		}
		here	{ command = command "\n" $0; here = $0 != "END"; next }
		!typed	{ print }
		END	{ finish() }'
}

# Addresses, devices, larger numbers and the widths of columns vary.
blur()
{
	sed -E 's/0x[0-9a-f]{3,}|[0-9a-f]{9,}|[0-9a-f]{2}:[0-9a-f]{2}/N/g
		s/[0-9]+(\.[0-9]+)+|[0-9]{2,}/N/g
		s/ +/ /g; s/^ //; s/ $//; /^$/d'
}

@test "the first steps of the guide" {
	blocks "First steps" >"$work/blocks"
	typed_or_shown typed <"$work/blocks" >"$work/script"
	[ "$(wc -l <"$work/script")" -gt 10 ]
	(cd "$work" && timeout 300 bash "$work/script" 2>"$work/errors" 3>&- | blur >"$work/printed")
	typed_or_shown shown <"$work/blocks" | blur >"$work/expected"
	diff -u "$work/expected" "$work/printed" || fail "$(cat "$work/errors")"
}

@test "README's example" {
	awk '/^A short example/ { inside = 1 } inside && /^    / { print substr($0, 5) } /^Compile it/ { inside = 0 }' \
		"$repo/README.rst" >"$work/example.c"
	(cd "$repo" && run -0 cc -Wall -Wextra -Iinclude/uapi -o "$work/example" "$work/example.c")
	run -0 "$work/example"
}
