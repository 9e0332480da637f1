#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make check-all`: hours.  Each part adds a line (date, build, seed, result) to
# build/check-all.log, so that the parts may be run on different days.
#
# PARTS='tests share strict mutants series regress fuzz kcsan' chooses some. FUZZ_SECS is
# how long each way of sharing tables is fuzzed, KCSAN_SECS the same in the
# kernel that looks for data races.
set -eu
. "$(dirname "$0")/lib.sh"

log=$build/check-all.log
parts=${PARTS:-tests share strict mutants series regress fuzz kcsan}
export PTSHARE_SEED=${PTSHARE_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}

build_id()
{
	echo "$(git -C "$top" describe --always --dirty 2>/dev/null || echo unknown)" \
		"linux-$(cat "$build/linux-orig.version" 2>/dev/null || echo unknown)"
}

# The debug guest's programs once more for each way of sharing tables that is not
# the default; those of one mode that fail do not keep the next from running.
share_modes()
{
	local mode names rc=0

	build_all
	names=$(program_names debug)
	for mode in none pmd; do
		echo "== ptshare.share=$mode"
		APPEND="${APPEND:-} ptshare.share=$mode" PTSHARE_ONLY=$names \
			"$vm_dir/check.sh" || rc=$?
	done
	return "$rc"
}

strict()
{
	build_all
	FLAVOR_SET=strict PTSHARE_ONLY=$(program_names debug) "$vm_dir/check.sh"
}

fuzz()
{
	local mode rc=0

	build_all debug
	for mode in none pmd pud; do
		TIME=${FUZZ_SECS:-2400} SHARE=$mode "$vm_dir/fuzz.sh" debug || rc=$?
	done
	return "$rc"
}

# The fuzzer, three times KCSAN_SECS.
kcsan()
{
	local secs=${KCSAN_SECS:-600}

	PTSHARE_ONLY=fuzz_test.sh PTSHARE_FUZZ_SECS=$secs \
		PTSHARE_PROG_TIMEOUT=$((secs * 6)) TIMEOUT=$((secs * 7)) \
		"$vm_dir/kcsan.sh"
}

part()
{
	case $1 in
	tests)	PTSHARE_ALL=1 PTSHARE_TEST_SECS=${PTSHARE_TEST_SECS:-10} \
		PTSHARE_PROG_TIMEOUT=7200 TIMEOUT=28800 "$vm_dir/check.sh" ;;
	share)	share_modes ;;
	strict) strict ;;
	mutants) "$vm_dir/mutants.sh" ;;
	series)	"$vm_dir/source.sh"
		BUILD=1 "$vm_dir/series.sh" series ;;
	regress) "$vm_dir/regress.sh" ;;
	fuzz)	fuzz ;;
	kcsan)	kcsan ;;
	*)	die "no part $1" ;;
	esac
}

# The result is the part's last line and its status.
run()
{
	local rc=0

	echo "== $1 (seed $PTSHARE_SEED)"
	(part "$1") | tee "$build/check-all.$1" || rc=$?
	printf '%s %s seed %s %s: %s (status %s)\n' "$(date -u +%FT%TZ)" "$(build_id)" \
		"$PTSHARE_SEED" "$1" "$(tail -n 1 "$build/check-all.$1")" "$rc" >>"$log"
	return "$rc"
}

set -o pipefail
mkdir -p "$build"
bad=0
done_parts=0
failed=0
for name in $parts; do
	done_parts=$((done_parts + 1))
	run "$name" || failed=$((failed + 1))
done
tail -n "$done_parts" "$log"
[ "$failed" = 0 ] || bad=1
echo "$((done_parts - failed)) parts passed, $failed failed"
exit $bad
