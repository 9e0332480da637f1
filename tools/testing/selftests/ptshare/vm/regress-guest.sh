#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: the kernel's own mm tests and stress-ng's VM stressors.
# Writes /run/out/results, one line "NAME<tab>pass|fail|skip" for each.
#
# usage: regress-guest.sh MMTESTS [NAME...]	(mm:CATEGORY or stress:NAME)
set -u
mmtests=$1
shift
results=/run/out/results
secs=${PTSHARE_STRESS_SECS:-3}

result()
{
	printf '%s\t%s\n' "$1" "$2" >>"$results"
	echo "$2 $1"
}

# The script's own verdicts, and those of the programs' cases below them.
# Numbers and addresses in a name are no part of it.
tap_lines()
{
	sed -nE -e 's/^(# )*(ok|not ok) [0-9]+ *-? *(.*)$/\2\t\3/p' "$1" |
		sed -E -e 's/0x[0-9a-f]+/N/g' -e 's/[0-9]{4,}/N/g' |
		awk -F'\t' -v cat="$2" '{
			v = $1 == "ok" ? "pass" : "fail"
			if (toupper($2) ~ /# *SKIP|\[SKIP\]/) v = "skip"
			sub(/ *# *(SKIP|exit=).*/, "", $2)
			n[$2]++
			printf "mm:%s:%s#%d\t%s\n", cat, $2, n[$2], v
		}'
}

mm()
{
	local category=$1 rc=0

	(cd /tmp/mm && timeout -k 10 900 ./run_vmtests.sh -t "$category") >"/run/out/mm.$category.log" 2>&1 || rc=$?
	tap_lines "/run/out/mm.$category.log" "$category" >>"$results"
	[ $rc -lt 124 ] || result "mm:$category" fail
	echo "mm $category: $(tap_lines "/run/out/mm.$category.log" x | cut -f2 | sort | uniq -c | paste -sd' ')"
}

stress()
{
	local rc=0

	(cd /tmp && timeout -k 10 120 stress-ng --"$1" 2 -t "$secs" --verify --oom-avoid \
		--vm-bytes 64M --no-rand-seed) >"/run/out/stress.$1.log" 2>&1 || rc=$?
	case $rc in
	0)	result "stress:$1" pass ;;
	3 | 4)	result "stress:$1" skip ;;
	*)	result "stress:$1" fail ;;
	esac
}

# Those that need a device or bring the whole guest down are left out.
stressors()
{
	stress-ng --class 'vm?' 2>/dev/null | tr ' ' '\n' | grep -E '^[a-z]' |
		grep -vE '^(class|stressors|vm:?$|bad-altstack|oom|numa|mmaphuge|watchdog)' | sort -u
	echo vm
}

all()
{
	local name

	for name in mmap gup_test madv_populate mremap mlock cow mkdirty mdwe memfd_secret \
		    process_mrelease pagemap soft_dirty migration; do
		echo "mm:$name"
	done
	stressors | sed 's/^/stress:/'
}

cp -r "$mmtests" /tmp/mm
: >"$results"
# shellcheck disable=SC2046 # a list of words
[ $# -gt 0 ] || set -- $(all)
for name in "$@"; do
	echo "ptshare-test: begin $name" >/dev/kmsg
	"${name%%:*}" "${name#*:}"
done
