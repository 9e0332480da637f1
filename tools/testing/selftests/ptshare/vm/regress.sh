#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make regress`: the kernel's own mm tests and stress-ng's VM stressors on the
# unpatched and on the patched kernel must give the same results.
# Owns build/regress and build/pristine.
set -eu
. "$(dirname "$0")/lib.sh"

dir=$build/regress
mmtests=$build/mmtests

build_mmtests()
{
	[ ! -f "$mmtests/.built" ] || return 0
	say "building the kernel's mm tests"
	mkdir -p "$mmtests"
	# -k: some need libraries or headers that are not there, on both kernels.
	make -k -C "$linux/tools/testing/selftests/mm" -j"$jobs" \
		KHDR_INCLUDES="-isystem $build/headers/include" \
		OUTPUT="$mmtests" all >"$build/mmtests.log" 2>&1 </dev/null || true
	cp -p "$linux"/tools/testing/selftests/mm/*.sh "$mmtests/"
	mkdir -p "$mmtests/../kselftest"
	cp -p "$linux"/tools/testing/selftests/kselftest/*.sh "$mmtests/../kselftest/"
	[ -x "$mmtests/map_populate" ] || die "the mm tests did not build (log: build/mmtests.log)"
	: >"$mmtests/.built"
}

# run KERNEL ROUND [NAME...]
run()
{
	local flavor=$1 round=$2
	shift 2

	echo "== $flavor kernel${1:+, again: $*}"
	VM_DIR=$dir/$flavor.$round FLAVOR=$flavor VM_SPLAT=report MEM=${MEM:-4G} TIMEOUT=7200 \
		"$vm_dir/vm.sh" run "$vm_dir/regress-guest.sh $mmtests $*" || true
	touch "$dir/$flavor.$round/out/results"
	sort -u "$dir/$flavor.$round/out/results" >"$dir/$flavor.$round.results"
	# A complaint of the kernel is a result too.
	"$vm_dir/splat.sh" "$dir/$flavor.$round/console.log" | sed -E 's/^\[[^]]*\] *//' \
		>"$dir/$flavor.$round.splats"
}

# What the patched kernel did worse: lines "NAME<tab>before<tab>after".
worse()
{
	join -t "$(printf '\t')" -a 1 -e lost -o 0,1.2,2.2 "$1" "$2" |
		awk -F'\t' '$2 == "pass" && $3 != "pass" || $2 == "skip" && $3 == "fail"'
}

names_of()
{
	cut -f1 | sed -E 's/^(mm:[^:]*):.*/\1/' | sort -u
}

# A difference counts when it is still there in two more rounds.
confirm()
{
	local round names

	for round in 2 3; do
		names=$(names_of <"$dir/worse" | paste -sd' ')
		[ -n "$names" ] || return 0
		# shellcheck disable=SC2086 # a list of words
		{ run pristine $round $names; run fast $round $names; }
		worse "$dir/pristine.$round.results" "$dir/fast.$round.results" | cut -f1 | sort >"$dir/again"
		sort "$dir/worse" | join -t "$(printf '\t')" - "$dir/again" >"$dir/worse.new"
		mv "$dir/worse.new" "$dir/worse"
	done
}

build_all fast pristine
lock regress
build_mmtests
rm -rf "$dir"
mkdir -p "$dir"
run pristine 1
run fast 1
worse "$dir/pristine.1.results" "$dir/fast.1.results" >"$dir/worse"
confirm
echo "== results (unpatched, patched)"
join -t "$(printf '\t')" -a 1 -a 2 -e - -o 0,1.2,2.2 "$dir/pristine.1.results" "$dir/fast.1.results" |
	tee "$dir/table" | cut -f2,3 | sort | uniq -c
bad=$(wc -l <"$dir/worse")
new=$(comm -13 <(sort -u "$dir/pristine.1.splats") <(sort -u "$dir/fast.1.splats") | wc -l)
[ "$bad" = 0 ] || { echo "worse on the patched kernel:"; cat "$dir/worse"; }
[ "$new" = 0 ] || { echo "said by the patched kernel only:"; cat "$dir/fast.1.splats"; }
same=$(($(wc -l <"$dir/table") - bad))
echo "$same passed, $((bad + new)) failed, 0 skipped"
[ "$((bad + new))" = 0 ] && [ "$same" -gt 0 ]
