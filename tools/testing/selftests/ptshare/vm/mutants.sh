#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Mutations: each ../mutations/NAME.patch breaks the kernel in one way and names
# the program that must notice.  A mutant that passes means a blind test.
# Owns build/mutant.
#
# A mutant is built in a mount namespace where build/linux and build/FLAVOR are
# overlays on the real ones: same paths, so only what the mutation touches is
# compiled, and nothing has to be put back.
#
# usage: [MUTANTS='name ...'] mutants.sh
#	 mutants.sh build PATCH FLAVOR	(for others: build/mutant/bzImage)
#
# Header lines of a mutation, above the diff:
#	Must-fail: program[:fixture.variant.test]
#	Flavor: fast|debug		(default debug)
set -eu
. "$(dirname "$0")/lib.sh"
export PTSHARE_REPORT=$build/mutant/report
. "$vm_dir/report.sh"

header()
{
	sed -n -e '/^--- /q' -e "s/^$2:[[:space:]]*//p" "$1" | head -n 1
}

# In the namespace: mount, break, build, hand the image out.
inside()
{
	local file=$1 flavor=$2 tmp=$build/mutant/tmp dir

	mount -t tmpfs tmpfs "$tmp"
	for dir in linux "$flavor"; do
		mkdir -p "$tmp/$dir.up" "$tmp/$dir.work"
		mount -t overlay -o "lowerdir=$build/$dir,upperdir=$tmp/$dir.up,workdir=$tmp/$dir.work" \
			overlay "$build/$dir"
	done
	patch -d "$linux" -p1 --fuzz=0 --no-backup-if-mismatch -s <"$file" || {
		echo "does not apply: the code has moved on"
		return 1
	}
	MUTANT=$file "$vm_dir/kernel.sh" "$flavor" || return 1
	cp "$build/$flavor/arch/x86/boot/bzImage" "$build/mutant/bzImage"
}

build_mutant()
{
	local flags=-m

	[ "$(id -u)" = 0 ] || flags=-rm
	rm -f "$build/mutant/bzImage"
	mkdir -p "$build/mutant/tmp"
	# The base must be there, and must not change below the overlays.
	"$vm_dir/kernel.sh" "$2" || return 1
	(
		lock source
		unshare "$flags" "$0" inside "$1" "$2"
	)
}

# The program's own report, apart from the mutants' report.
caught()
{
	local program=$1 testcase=$2 flavor=$3 dir=$build/mutant/run

	rm -rf "$dir"
	mkdir -p "$dir"
	: >"$dir/counts"
	: >"$dir/failures"
	PTSHARE_REPORT=$dir PTSHARE_MAX_BOOTS=1 PTSHARE_PROG_TIMEOUT=150 MEM=${MEM:-6G} TIMEOUT=1200 \
		VM_KERNEL=$build/mutant/bzImage PTSHARE_CASE=$testcase \
		"$vm_dir/programs.sh" "$flavor" "$program" || true
	if [ ! -e "$dir/$flavor.1/out/started" ]; then
		echo "the guest did not run $program"
		return 1
	fi
	awk '{ n += $1 + $2 } END { exit !n }' "$dir/counts" || {
		echo "$program has no test ${testcase:-at all}, or skips it here"
		return 1
	}
	awk '{ f += $2 } END { exit !f }' "$dir/counts" || {
		echo "$program passed ${testcase:+$testcase}: it does not see this mutation"
		return 1
	}
}

mutant()
{
	local file=$1 must flavor testcase=

	must=$(header "$file" Must-fail)
	flavor=$(header "$file" Flavor)
	flavor=${flavor:-debug}
	[ -n "$must" ] || { echo "no Must-fail line"; return 1; }
	[ "${must#*:}" = "$must" ] || testcase=${must#*:}
	build_mutant "$file" "$flavor" || return 1
	caught "${must%%:*}" "$testcase" "$flavor"
}

if [ "${1:-}" = inside ]; then
	inside "$2" "$3"
	exit
fi
if [ "${1:-}" = build ]; then
	build_mutant "$2" "$3"
	exit
fi
# shellcheck disable=SC2119 # no kernel yet
build_all
lock mutant
report_reset
for file in "$self_dir"/mutations/*.patch; do
	[ -e "$file" ] || continue
	name=$(basename "$file" .patch)
	[ -z "${MUTANTS:-}" ] || [[ " $MUTANTS " = *" $name "* ]] || continue
	judge "mutant $name" mutant "$file"
done
report_end
