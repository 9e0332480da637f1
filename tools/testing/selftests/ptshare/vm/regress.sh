#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make regress`: the kernel's own tests of memory, shared files and processes, and
# stress-ng's VM stressors, must give the same results on the unpatched and on
# the patched kernel. Owns build/regress, build/kernel-tests, build/pristine and
# build/pristine-debug.
#
# usage: [REGRESS='fast debug'] regress.sh
set -eu
. "$(dirname "$0")/lib.sh"

flavors=${REGRESS:-fast debug}
tests=$build/kernel-tests
sets="mm memfd mincore ipc kcmp futex proc ptrace core pidfd perf_events splice cgroup"

unpatched()
{
	if [ "$1" = fast ]; then
		echo pristine
	else
		echo "pristine-$1"
	fi
}

# One program that does not build keeps its set from being installed: khugepaged.c
# uses a constant whose header it does not include.
build_tests()
{
	local name

	[ ! -f "$tests/.built" ] || return 0
	"$vm_dir/deps.sh" regress
	say "building the kernel's own tests"
	mkdir -p "$tests"
	make -k -C "$linux/tools/testing/selftests" -j"$jobs" TARGETS="$sets" O="$tests" \
		KHDR_INCLUDES="-isystem $build/headers/include" USERCFLAGS=-DKSFT_SKIP=4 \
		INSTALL_PATH="$tests/installed" install >"$build/kernel-tests.log" 2>&1 </dev/null || true
	for name in $sets; do
		grep -q "^$name:" "$tests/installed/kselftest-list.txt" ||
			die "the kernel's tests of $name did not build (log: build/kernel-tests.log)"
	done
	: >"$tests/.built"
}

# A complaint of the kernel is a failure of a test that the other kernel does not
# have, while NAME was running.
complaints()
{
	"$vm_dir/splat.sh" "$1" >"$1.splats"
	tr -d '\r' <"$1" | awk -v splats="$1.splats" '
		BEGIN { name = "boot:log"; while ((getline line <splats) > 0) splat[line] }
		/ptshare-test: begin / { name = $NF }
		$0 in splat {
			sub(/^\[[^]]*\] */, "")
			gsub(/0x[0-9a-f]+|[0-9]+/, "N")
			print name ":kernel says " $0 "\tfail"
		}'
}

# run KERNEL ROUND [NAME...]: for compare, whose $work is used here and below
run()
{
	local kernel=$1 round=$2
	shift 2

	echo "== $kernel kernel${1:+, again: $*}" >"$work/$kernel.$round.log"
	VM_DIR=$work/$kernel.$round FLAVOR=$kernel VM_SPLAT=report MEM=${MEM:-4G} TIMEOUT=10800 \
		"$vm_dir/vm.sh" run "$vm_dir/regress-guest.sh $tests/installed $*" \
		>>"$work/$kernel.$round.log" 2>&1 || true
	touch "$work/$kernel.$round/out/results"
	complaints "$work/$kernel.$round/console.log" |
		sort -u "$work/$kernel.$round/out/results" - >"$work/$kernel.$round.results"
}

# Both kernels at once: what else the machine does slows neither more than the other.
# both OLD NEW ROUND [NAME...]
both()
{
	local old=$1 new=$2 round=$3 first
	shift 3

	say "$old and $new kernel, round $round (logs: ${work#"$top"/}/KERNEL.$round.log)"
	run "$old" "$round" "$@" &
	first=$!
	run "$new" "$round" "$@"
	wait "$first"
	cat "$work/$old.$round.log" "$work/$new.$round.log"
}

# What the patched kernel did worse: lines "NAME<tab>before<tab>after"; what one
# kernel has no line of is "lost".
worse()
{
	join -t "$(printf '\t')" -a 1 -a 2 -e lost -o 0,1.2,2.2 "$1" "$2" |
		awk -F'\t' '$2 == "pass" && $3 != "pass" || $2 ~ /skip|lost/ && $3 == "fail"'
}

names_of()
{
	cut -f1 | sed -E 's/^([^:]*:[^:]*):.*/\1/' | sort -u
}

# A difference counts when it is still there in two more rounds.
confirm()
{
	local old=$1 new=$2 round names

	for round in 2 3; do
		names=$(names_of <"$work/worse" | paste -sd' ')
		[ -n "$names" ] || return 0
		# shellcheck disable=SC2086 # a list of words
		both "$old" "$new" $round $names
		worse "$work/$old.$round.results" "$work/$new.$round.results" | cut -f1 | sort >"$work/again"
		sort "$work/worse" | join -t "$(printf '\t')" - "$work/again" >"$work/worse.new"
		mv "$work/worse.new" "$work/worse"
	done
}

# Adds to $same and $bad.
compare()
{
	local new=$1 old work worse

	old=$(unpatched "$new")
	work=$build/regress/$new
	rm -rf "$work"
	mkdir -p "$work"
	both "$old" "$new" 1
	worse "$work/$old.1.results" "$work/$new.1.results" >"$work/worse"
	confirm "$old" "$new"
	echo "== results, $new (unpatched, patched)"
	join -t "$(printf '\t')" -a 1 -a 2 -e - -o 0,1.2,2.2 \
		"$work/$old.1.results" "$work/$new.1.results" >"$work/table"
	cut -f2,3 "$work/table" | sort | uniq -c
	worse=$(wc -l <"$work/worse")
	[ "$worse" = 0 ] || { echo "worse on the patched kernel:"; cat "$work/worse"; }
	same=$((same + $(wc -l <"$work/table") - worse))
	bad=$((bad + worse))
}

same=0
bad=0
# shellcheck disable=SC2046 # a list of words
build_all $(for flavor in $flavors; do echo "$flavor"; unpatched "$flavor"; done)
lock regress
build_tests
for flavor in $flavors; do
	compare "$flavor"
done
echo "$same passed, $bad failed, 0 skipped"
[ "$bad" = 0 ] && [ "$same" -gt 0 ]
