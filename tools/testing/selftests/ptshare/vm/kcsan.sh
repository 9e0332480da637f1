#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make kcsan [T='program ...']`: tests in a kernel that looks for data races.
# The races that core code has with itself are not counted: a report is ours if
# a function of ptshare or of write notification is in one of its stacks, and not
# only below an interrupt; kcsan.core lists what is core's own all the same.
# All reports end up in build/kcsan-report, ours first.
set -eu
. "$(dirname "$0")/lib.sh"
export PTSHARE_REPORT=$build/kcsan-check
. "$vm_dir/report.sh"

ours='ptshare_|write_notify|[ ]wn_'
reports=$build/kcsan-report
core=$(grep -vE '^(#|$)' "$vm_dir/kcsan.core" | paste -sd '|')

# Reports stand between lines of "=".
split()
{
	tr -d '\r' | sed 's/^\[ *[0-9.]*\] \?//' |
		awk -v ours="$ours" -v core="in ($core)" -v want="$1" '
		/^=====/ {
			if (inside && text ~ /BUG: KCSAN/ && (stacks ~ ours && text !~ core) == want)
				printf "%s\n", text
			inside = !inside
			text = stacks = ""
			below = 0
			next
		}
		!inside { next }
		/^$/ { below = 0 }
		!below { stacks = stacks $0 "\n" }
		/asm_sysvec_|asm_common_interrupt/ { below = 1 }
		{ text = text $0 "\n" }'
}

dmesg_of()
{
	cat "$report"/kcsan.*/console.log 2>/dev/null
}

no_race()
{
	dmesg_of | grep -q 'kcsan: enabled' || { echo "KCSAN was off"; return 1; }
	dmesg_of | split 1 >"$reports"
	if [ -s "$reports" ]; then
		grep '^BUG: KCSAN' "$reports" | sort | uniq -c
		cat "$reports"
		return 1
	fi
	dmesg_of | split 0 >"$reports"
	echo "$(grep -c '^BUG: KCSAN' "$reports") reports of others"
}

build_all kcsan
names=${PTSHARE_ONLY:-$(program_names debug)}
report_reset
# shellcheck disable=SC2086 # a list of words
MEM=${MEM:-6G} "$vm_dir/programs.sh" kcsan $names
judge "no data race in ptshare or write notification" no_race
tail -n 1 "$report"/no-data-race*.log
report_end
