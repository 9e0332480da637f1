#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prints the lines of a kernel log (a file, or standard input) that tell of a
# kernel defect; nothing when the log is clean.  The patterns are in splat.deny,
# lines that look like one and are not in splat.allow; of FLAVOR, if it has a list.

dir=$(dirname "$0")
patterns()
{
	grep -hvE '^(#|$)' "$@" 2>/dev/null
}
deny=$(patterns "$dir/splat.deny")
allow=$(patterns "$dir/splat.allow" "$dir/splat.allow.flavor.${FLAVOR:-fast}")
tr -d "\r" <"${1:-/dev/stdin}" | grep -aE -e "$deny" | grep -avE -e "${allow:-^$}"
exit 0
