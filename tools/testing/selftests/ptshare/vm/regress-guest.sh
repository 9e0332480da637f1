#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: the kernel's own tests and stress-ng's VM stressors. Writes
# /run/out/results, one line "NAME<tab>pass|fail|skip" for each.
#
# usage: regress-guest.sh TESTS [NAME...]
#	(TESTS as installed; mm:CATEGORY, uffd:unit, set:NAME or stress:NAME)
set -u
tests=$1
shift
results=/run/out/results
secs=${PTSHARE_STRESS_SECS:-3}
# Those that need a device or bring the whole guest down are left out.
no_stressor='class|stressors|vm:?$|bad-altstack|oom|numa|mmaphuge|watchdog'
# They press with memory or time that an emulated guest does not have.
no_test='cgroup:test_(cpu|cpuset|freezer|hugetlb_memcg|zswap|stress|pids)|proc:proc-uptime'

result()
{
	printf '%s\t%s\n' "$1" "$2" >>"$results"
	echo "$2 $1"
}

# The script's own verdicts, and those of the programs' cases below them.
# Numbers in a name, of pages and faults and such, are no part of it.
tap_lines()
{
	sed -nE -e 's/^(# )*(ok|not ok) [0-9]+ *-? *(.*)$/\2\t\3/p' "$1" |
		sed -E -e 's/0x[0-9a-f]+/N/g' -e 's/[0-9]+(\.[0-9]+)?/N/g' |
		awk -F'\t' -v name="$2" '{
			v = $1 == "ok" ? "pass" : "fail"
			if (toupper($2) ~ /# *SKIP|\[SKIP\]/) v = "skip"
			sub(/ *# *(SKIP|exit=|TIMEOUT).*/, "", $2)
			n[$2]++
			printf "%s:%s#%d\t%s\n", name, $2, n[$2], v
		}'
}

# take NAME STATUS: what a set has printed.
take()
{
	local log=/run/out/$1.log

	tap_lines "$log" "$1" >>"$results"
	[ "$2" -lt 124 ] || result "$1" fail
	echo "$1: $(tap_lines "$log" x | cut -f2 | sort | uniq -c | paste -sd' ')"
}

mm()
{
	local rc=0

	(cd /tmp/tests/mm && timeout -k 10 900 ./run_vmtests.sh -t "$1") \
		>"/run/out/mm:$1.log" 2>&1 || rc=$?
	take "mm:$1" $rc
}

# Not TAP.
uffd()
{
	local log=/run/out/uffd:$1.log

	(cd /tmp/tests/mm && timeout -k 10 1800 ./uffd-unit-tests) >"$log" 2>&1
	sed -nE 's/^Testing (.*)\.\.\. (done|skipped|failed).*/uffd:unit:\1\t\2/p' "$log" |
		sed -e 's/\tdone$/\tpass/' -e 's/\tskipped$/\tskip/' -e 's/\tfailed$/\tfail/' >>"$results"
	echo "uffd:$1: $(grep -c '^uffd:.*pass$' "$results") pass"
}

set_of()
{
	local rc=0 programs program

	mapfile -t programs < <(grep "^$1:" /tmp/tests/kselftest-list.txt | grep -vE "^($no_test)")
	for program in "${programs[@]}"; do
		(cd /tmp/tests && timeout -k 10 600 ./run_kselftest.sh -o 300 -t "$program") || rc=$?
	done >"/run/out/set:$1.log" 2>&1
	take "set:$1" $rc
}

stress()
{
	local rc=0

	(cd /tmp && timeout -k 10 120 stress-ng --"$1" 2 -t "$secs" --verify --oom-avoid \
		--vm-bytes 64M --no-rand-seed) >"/run/out/stress:$1.log" 2>&1 || rc=$?
	case $rc in
	0)	result "stress:$1" pass ;;
	3 | 4)	result "stress:$1" skip ;;
	*)	result "stress:$1" fail ;;
	esac
}

stressors()
{
	stress-ng --class 'vm?' 2>/dev/null | tr ' ' '\n' | grep -E '^[a-z]' |
		grep -vE "^($no_stressor)" | sort -u
	echo vm
}

all()
{
	local name

	for name in mmap gup_test madv_populate mremap mlock cow mkdirty mdwe memfd_secret \
		    process_mrelease pagemap soft_dirty migration ksm thp compaction; do
		echo "mm:$name"
	done
	echo uffd:unit
	cut -d: -f1 /tmp/tests/kselftest-list.txt | grep -vx mm | sort -u | sed 's/^/set:/'
	stressors | sed 's/^/stress:/'
}

cp -r "$tests" /tmp/tests
: >"$results"
# shellcheck disable=SC2046 # a list of words
[ $# -gt 0 ] || set -- $(all)
for name in "$@"; do
	echo "ptshare-test: begin $name" >/dev/kmsg
	case $name in
	mm:*)		mm "${name#*:}" ;;
	uffd:*)		uffd "${name#*:}" ;;
	set:*)		set_of "${name#*:}" ;;
	stress:*)	stress "${name#*:}" ;;
	esac
done
