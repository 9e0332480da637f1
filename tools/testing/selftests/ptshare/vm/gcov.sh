#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make coverage`: which lines of our kernel files the test programs reach, or those
# in PTSHARE_ONLY. Prints a table; build/gcov.run/uncovered has the lines
# that were not reached. Owns build/gcov.run.
set -eu
. "$(dirname "$0")/lib.sh"

dir=$build/gcov.run
kernel=${GCOV_OBJ:-$build/gcov}

list()
{
	local name

	for name in "$@"; do
		echo "$name ${PTSHARE_PROG_TIMEOUT:-420} $build/kselftest/ptshare/$name"
	done
}

run()
{
	# One boot: what is counted would end with it.
	FLAVOR=gcov PTSHARE_FLAVOR=gcov PTSHARE_REBOOT=0 VM_SPLAT=report VM_DIR=$dir/vm \
		MEM=${MEM:-6G} TIMEOUT=${TIMEOUT:-7200} VM_KERNEL=$kernel/arch/x86/boot/bzImage \
		"$vm_dir/vm.sh" run "$vm_dir/gcov-guest.sh $dir/list"
}

# FILE.c.gcov from what was compiled and what was counted.
annotate()
{
	local file=$1 obj=${1%.c} data

	data=$(find "$dir/vm/out/gcov" -path "*/$obj.gcda" | head -n 1)
	[ -n "$data" ] || return 0
	mkdir -p "$dir/gcov/$obj"
	cp "$kernel/$obj.gcno" "$data" "$dir/gcov/$obj/"
	(cd "$dir/gcov/$obj" && gcov -p "$(basename "$obj").gcda" >gcov.log 2>&1)
	mv "$dir/gcov/$obj"/*"#$(echo "$file" | tr / '#').gcov" "$dir/gcov/$file.gcov"
}

# Lines of code are those that gcov gives a count.
lines()
{
	awk -F: -v file="$1" -v uncovered="$dir/uncovered" '
	$2 + 0 && $1 !~ /^ *-/ {
		all++
		if ($1 !~ /[#=]/) {
			hit++
			next
		}
		code = $0
		sub(/^[^:]*:[^:]*:/, "", code)
		print file ":" $2 + 0 ":" code >>uncovered
	}
	END { printf "%-28s %6d %8d %7.1f\n", file, all, hit, all ? 100 * hit / all : 0 }' \
		"$dir/gcov/$1.gcov"
}

table()
{
	local file

	: >"$dir/uncovered"
	printf '%-28s %6s %8s %7s\n' file lines covered percent
	covered_sources | while read -r file; do
		annotate "$file"
		if [ -f "$dir/gcov/$file.gcov" ]; then
			lines "$file"
		else
			echo "$file: nothing was counted" >&2
		fi
	done | tee "$dir/table"
	awk '{ all += $2; hit += $3 }
	     END { printf "%-28s %6d %8d %7.1f\n", "all", all, hit, all ? 100 * hit / all : 0
		   exit !all }' "$dir/table"
}

lock gcov
[ -n "${NOBUILD:-}" ] || build_all gcov
rm -rf "$dir"
mkdir -p "$dir"
names=${PTSHARE_ONLY:-$(program_names debug fast)}
# shellcheck disable=SC2086 # a list of words
list $names >"$dir/list"
run || say "gcov: not all went well in the guest; what was counted is shown"
table
say "lines that were not reached: ${dir#"$top"/}/uncovered"
