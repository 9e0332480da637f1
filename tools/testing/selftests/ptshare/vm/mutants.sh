#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Mutations: each ../mutations/NAME.patch breaks the kernel in one way and names
# the program that must notice.  A mutant that passes means a blind test.
# Owns build/mutant: a copy of the patched source and its object directories.
#
# usage: [MUTANTS='name ...'] mutants.sh
#
# Header lines of a mutation, above the diff:
#	Must-fail: program[:part of a test case's name]
#	Flavor: fast|debug		(default debug)
set -eu
. "$(dirname "$0")/lib.sh"
export PTSHARE_REPORT=$build/mutant/report
. "$vm_dir/report.sh"

src=$build/mutant/linux

# A copy that follows build/linux.  No times are kept: a file that is put back
# must look new, or the mutated object would stay.
copy()
{
	if ! cmp -s "$build/linux.files" "$build/mutant/files" ||
	   ! cmp -s "$build/linux-orig.from" "$build/mutant/from"; then
		rm -rf "$src"
		mkdir -p "$build/mutant"
		cp -a --reflink=auto "$linux" "$src"
		cp "$build/linux.files" "$build/mutant/files"
		cp "$build/linux-orig.from" "$build/mutant/from"
	fi
	restore
}

restore()
{
	rsync -rlp --checksum --files-from="$build/linux.files" "$linux/" "$src/"
	# shellcheck disable=SC2086 # a list of words
	[ -z "${touched:-}" ] || (cd "$linux" && rsync -lp --checksum -R $touched "$src/")
}

header()
{
	sed -n -e '/^--- /q' -e "s/^$2:[[:space:]]*//p" "$1" | head -n 1
}

kernel()
{
	PTSHARE_SRC=$src PTSHARE_OUT=$build/mutant/$1 MUTANT=$2 "$vm_dir/kernel.sh" "$1"
}

# The program's own report, apart from the mutants' report.
caught()
{
	local program=$1 testcase=$2 flavor=$3 dir=$build/mutant/run

	rm -rf "$dir"
	mkdir -p "$dir"
	: >"$dir/counts"
	: >"$dir/failures"
	PTSHARE_REPORT=$dir PTSHARE_MAX_BOOTS=1 MEM=${MEM:-6G} TIMEOUT=1200 \
		VM_KERNEL=$build/mutant/$flavor/arch/x86/boot/bzImage \
		"$vm_dir/programs.sh" "$flavor" "$program" || true
	if ! grep -q . "$dir/counts" || [ ! -e "$dir/$flavor.1/out/started" ]; then
		echo "the guest did not run $program"
		return 1
	fi
	awk '{ f += $2 } END { exit !f }' "$dir/counts" || {
		echo "$program passed: it does not see this mutation"
		return 1
	}
	[ -z "$testcase" ] || grep -qE "^not ok .*$testcase" "$dir/$flavor/$program.log" || {
		echo "$program failed, but not in $testcase"
		return 1
	}
}

mutant()
{
	local file=$1 must flavor rc=0

	must=$(header "$file" Must-fail)
	flavor=$(header "$file" Flavor)
	flavor=${flavor:-debug}
	[ -n "$must" ] || { echo "no Must-fail line"; return 1; }
	touched=$(mutated_files "$file")
	patch -d "$src" -p1 --fuzz=0 --no-backup-if-mismatch -s <"$file" || {
		echo "does not apply: the code has moved on"
		restore
		return 1
	}
	kernel "$flavor" "$file" || rc=1
	[ $rc != 0 ] || caught "${must%%:*}" "$(expr "$must" : '[^:]*:\(.*\)' || true)" "$flavor" || rc=1
	restore
	return $rc
}

mutated_files()
{
	sed -nE 's,^\+\+\+ [^/]+/([^[:space:]]+).*,\1,p' "$1" | sort -u
}

"$vm_dir/deps.sh"
"$vm_dir/source.sh"
"$vm_dir/tools.sh"
lock mutant
report_reset
copy
for file in "$self_dir"/mutations/*.patch; do
	[ -e "$file" ] || continue
	name=$(basename "$file" .patch)
	[ -z "${MUTANTS:-}" ] || [[ " $MUTANTS " = *" $name "* ]] || continue
	judge "mutant $name" mutant "$file"
done
report_end
