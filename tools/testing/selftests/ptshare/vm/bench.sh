#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make bench [BENCH=NAME]`: runs benchmarks in guests, prints their tables,
# writes NAME.json and NAME.svg.  Owns build/bench.
# Described in Documentation/mm/ptshare-bench.rst.
#
# usage: bench.sh [-q] [-c] [NAME...]	(-q: few processes, in a minute; -c: only the
#					boots that count instructions, which
#					other load does not disturb)
#	 bench.sh doc			(write the results of all to the page
#					Documentation/mm/ptshare-bench-results.rst)
#
# NOBUILD=1 takes kernels and tools as they are.  A limit that is missed is a
# result, not a failure: the status tells of errors only.
set -eu
. "$(dirname "$0")/lib.sh"

dir=$build/bench
prog=$build/kselftest/ptshare/bench/ptbench
page=$top/Documentation/mm/ptshare-bench-results.rst
servers=$top/tools/mshare-ctl/bench
names="tables faults protect fork attach detach reclaim punch notify bystander postgres prefork"
quick=
counted=

# The boots of a benchmark: FLAVOR SMP MEM ICOUNT PART...
plan()
{
	case $1 in
	tables)		echo "fast 2 8G 0 tables sparse after-punch" ;;
	faults)		echo "fast 2 8G 0 faults touch"
			echo "fast 1 4G 1 touch" ;;
	protect)	echo "fast 2 8G 0 protect scattered folios" ;;
	fork)		echo "fast 1 4G 1 forkcost"
			echo "fast 2 8G 0 forktables forklatency" ;;
	attach)		echo "fast 1 4G 1 attach"
			echo "fast 2 4G 0 attach" ;;
	detach)		echo "fast 1 4G 1 detach"
			echo "fast 2 8G 0 leave stale" ;;
	reclaim)	echo "fast 8 4G 0 reclaim-idle"
			echo "fast 2 4G 0 reclaim-running" ;;
	punch)		echo "fast 2 8G 0 punch" ;;
	notify)		echo "fast 1 4G 1 notify notify-arm notify-scan"
			echo "fast 2 8G 0 notify notify-arm notify-scan" ;;
	bystander)	echo "pristine 1 4G 1 bystander"
			echo "unhooked 1 4G 1 bystander"
			echo "fast 1 4G 1 bystander" ;;
	postgres)	echo "fast 2 10G 0 scan answers crash" ;;
	prefork)	echo "fast 2 8G 0" ;;
	*)		die "no benchmark '$1'; there are: $names" ;;
	esac
}

# The fast kernel without the hooks of write notification.
unhooked()
{
	local out=$build/unhooked/arch/x86/boot patch=$self_dir/bench/unhooked.patch want

	"$vm_dir/kernel.sh" fast
	want=$(sha256sum "$build/fast/.stamp" "$patch")
	[ "$want" != "$(cat "$build/unhooked/.stamp" 2>/dev/null)" ] || return 0
	lock mutant
	"$vm_dir/mutants.sh" build "$patch" fast
	mkdir -p "$out"
	cp "$build/mutant/bzImage" "$out/bzImage"
	echo "$want" >"$build/unhooked/.stamp"
}

build_needed()
{
	local name flavor

	"$vm_dir/deps.sh" build vm tools bench
	for name in postgres prefork; do
		[[ " $* " != *" $name "* ]] || "$vm_dir/deps.sh" "$name"
	done
	[ "${NOBUILD:-0}" != 1 ] || return 0
	"$vm_dir/source.sh"
	"$vm_dir/tools.sh"
	for flavor in $(for name in "$@"; do plan "$name"; done | cut -d' ' -f1 | sort -u); do
		if [ "$flavor" = unhooked ]; then
			unhooked
		else
			"$vm_dir/kernel.sh" "$flavor"
		fi
	done
}

# boot NAME NUMBER FLAVOR SMP MEM ICOUNT PART...
boot()
{
	local name=$1 run=$dir/$1.vm$2 flavor=$3 smp=$4 mem=$5 icount=$6
	local cmd accel=${ACCEL:-tcg} rc=75
	shift 6

	cmd="$prog $quick"
	[ ! -x "$servers/$name.sh" ] || cmd="$servers/$name.sh $quick"
	if [ "$icount" = 0 ]; then
		cmd="$vm_dir/bench-guest.sh $cmd"
	else
		cmd="$cmd -c"
		accel=tcg
	fi
	say "== $name:${*:+ $*} ($flavor kernel, $smp CPUs$([ "$icount" = 0 ] || echo ", counting instructions"))"
	# A busy host makes a guest fail at its timers, as it boots (73) or later.
	for _ in 1 2 3 4 5; do
		case $rc in
		73 | 75) ;;
		*)	 break ;;
		esac
		rc=0
		VM_DIR=$run FLAVOR=$flavor SMP=$smp MEM=$mem ICOUNT=$icount ACCEL=$accel \
			TIMEOUT=${TIMEOUT:-7200} \
			"$vm_dir/vm.sh" run "$cmd -o /run/out/rows $*" >&2 || rc=$?
	done
	[ $rc = 0 ] || die "$name: ptbench ended with status $rc (${run#"$top"/}/console.log)"
	# Told from here: the programs shall have the same words on their stack.
	jq -c --arg kernel "$flavor" 'if .table == "bystander" then {table, kernel: $kernel} + . else . end' \
		"$run/out/rows" >>"$dir/$name.rows"
}

# The rows of the kernels side by side, and the limits for them.
compare()
{
	jq -c -s '
	def of($kernel; $cost): map(select(.table == "bystander" and
		.kernel == $kernel and .cost == $cost))[0].instructions;
	def verdict($rule; $what; $val; $limit): {
		table: "limits", rule: $rule, what: $what, value: $val,
		sense: "at most", limit: $limit,
		verdict: (if $val <= $limit then "ok" else "MISSED" end) };
	def cent: . * 100 | round / 100 | if . == 0 then 0 else . end;
	. as $rows |
	("anon_fault", "file_fault", "fork_exit", "munmap",
	 "file_write", "shared_read", "shared_write") as $cost |
	($rows | of("pristine"; $cost)) as $old |
	($rows | of("unhooked"; $cost)) as $without |
	($rows | of("fast"; $cost)) as $new |
	{ table: "compared", cost: $cost, unpatched: $old, patched: $new,
	  more: ($new - $old | cent),
	  more_pct: (100 * ($new - $old) / $old | cent),
	  unhooked: $without,
	  hooks_pct: (100 * ($new - $without) / $without | cent) } |
	., if .cost == "anon_fault"
	   then verdict("A9"; "instructions more per anonymous fault"; .more; 5)
	   elif IN(.cost; "file_fault", "fork_exit", "munmap")
	   then verdict("A9"; "\(.cost) in % above unpatched"; .more_pct; 0.5)
	   else empty end,
	   # What write notification has hooks in.
	   if IN(.cost; "file_fault", "file_write", "shared_read", "shared_write")
	   then verdict("A8"; "hooks of write notification, \(.cost), in %"; .hooks_pct; 0.3)
	   else empty end
	' "$dir/bystander.rows" >"$dir/compared"
	cat "$dir/compared" >>"$dir/bystander.rows"
	rm "$dir/compared"
}

to_json()
{
	jq -s --arg bench "$1" --arg quick "$quick" \
	   --arg linux "$(cat "$build/linux-orig.version")" \
	   --arg accel "${ACCEL:-tcg}" '
	(map(select(.table == "skipped")) | unique) + map(select(.table != "skipped")) |
	{ bench: $bench, linux: $linux, accel: $accel, quick: ($quick != ""),
	  tables: (reduce .[] as $row ({}; .[$row.table] += [$row | del(.table)])) }
	' "$dir/$1.rows" >"$dir/$1.json"
}

tables_of()
{
	jq -r '.tables | (keys_unsorted - ["limits", "skipped"])[], "skipped", "limits"' "$dir/$1.json"
}

# One file of tabs for each table: for gnuplot, and for print.
to_tsv()
{
	local table

	rm -rf "$dir/$1.tsv"
	mkdir "$dir/$1.tsv"
	for table in $(tables_of "$1"); do
		jq -r --arg table "$table" '.tables[$table] // empty |
			(.[0] | keys_unsorted) as $keys |
			($keys | @tsv), (.[] | [.[$keys[]]] | @tsv)
		' "$dir/$1.json" >"$dir/$1.tsv/$table"
		[ -s "$dir/$1.tsv/$table" ] || rm "$dir/$1.tsv/$table"
	done
}

# Columns in line; with a rule of "=" it is a table of reStructuredText too.
align()
{
	awk -F'\t' '
	{
		for (i = 1; i <= NF; i++) {
			cell[NR, i] = $i
			if (length($i) > width[i]) width[i] = length($i)
			if (NR > 1 && $i !~ /^[-+.0-9e]+$/) left[i] = 1
		}
	}
	function rule(	i, s, line) {
		for (i = 1; i <= NF; i++) {
			s = sprintf("%*s", width[i], "")
			gsub(/ /, "=", s)
			line = line (i > 1 ? "  " : "") s
		}
		print line
	}
	END {
		rule()
		for (n = 1; n <= NR; n++) {
			line = ""
			for (i = 1; i <= NF; i++)
				line = line (i > 1 ? "  " : "") \
				       sprintf(left[i] ? "%-*s" : "%*s", width[i], cell[n, i])
			sub(/ +$/, "", line)
			print line
			if (n == 1) rule()
		}
		rule()
	}' "$1"
}

show()
{
	local table

	for table in $(tables_of "$1"); do
		[ -f "$dir/$1.tsv/$table" ] || continue
		printf '\n%s: %s\n' "$1" "$table"
		align "$dir/$1.tsv/$table"
	done
}

plot()
{
	quiet "$dir/$1.plot.log" gnuplot -e "here='$self_dir/bench'; tsv='$dir/$1.tsv'; svg='$dir/$1.svg'" \
		"$self_dir/bench/$1.gp" || die "$1: no plot"
	[ -s "$dir/$1.svg" ] || die "$1: an empty plot"
}

run()
{
	local name=$1 number=0 line

	rm -f "$dir/$name.rows"
	while read -r -u 9 line; do
		number=$((number + 1))
		[ -z "$counted" ] || [ "$(echo "$line" | cut -d ' ' -f 4)" = 1 ] || continue
		# shellcheck disable=SC2086 # a list of words
		boot "$name" $number $line
	done 9< <(plan "$name")
	[ "$name" != bystander ] || compare
	to_json "$name"
	to_tsv "$name"
	show "$name"
	plot "$name"
	say "== ${dir#"$top"/}/$name.json, $name.svg"
}

# --- the page of results -------------------------------------------------

heading()
{
	printf '\n%s\n%s\n\n' "$1" "${1//?/$2}"
}

doc_one()
{
	local table

	heading "$1" =
	for table in $(tables_of "$1"); do
		[ -f "$dir/$1.tsv/$table" ] || continue
		heading "$1: $table" -
		align "$dir/$1.tsv/$table"
	done
}

doc()
{
	local name missed

	cd "$dir" 2>/dev/null || die "run the benchmarks first"
	[ "$(cat ./*.json | jq -s 'any(.[]; .quick)')" = false ] ||
		die "some results are of quick runs"
	missed=$(cat ./*.json | jq -s '[.[].tables.limits[]? | select(.verdict == "MISSED")] | length')
	{
		echo ".. SPDX-License-Identifier: GPL-2.0"
		echo ".. Written by tools/testing/selftests/ptshare/vm/bench.sh doc"
		echo
		echo "=========================="
		echo "ptshare: benchmark results"
		echo "=========================="
		echo
		echo "Columns and clocks are explained in Documentation/mm/ptshare-bench.rst."
		echo "Linux $(cat "$build/linux-orig.version"), QEMU with ${ACCEL:-tcg};" \
			"$(cat ./*.json | jq -s '[.[].tables.limits[]?] | length') limits, $missed missed."
		for name in $names; do
			[ ! -f "$name.json" ] || doc_one "$name"
		done
	} >"$page.new"
	mv "$page.new" "$page"
	say "${page#"$top"/}"
}

if [ "${1:-}" = doc ]; then
	doc
	exit 0
fi
while :; do
	case ${1:-} in
	-q)	quick=-q ;;
	-c)	counted=1 ;;
	*)	break ;;
	esac
	shift
done
# shellcheck disable=SC2086 # a list of words
[ $# -gt 0 ] || set -- $names
for name in "$@"; do
	plan "$name" >/dev/null
done
lock bench
mkdir -p "$dir"
build_needed "$@"
[ -x "$prog" ] || die "no ptbench: make tools"
for name in "$@"; do
	run "$name"
done
