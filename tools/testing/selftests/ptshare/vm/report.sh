# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced: how results are counted and shown.  Owns $report/counts (one line
# "passed failed skipped" per program) and $report/failures (with excerpts).

report=${PTSHARE_REPORT:-$build/check}

report_reset()
{
	rm -rf "$report"
	mkdir -p "$report"
	: >"$report/counts"
	: >"$report/failures"
}

# count P F S
count()
{
	echo "$1 $2 $3" >>"$report/counts"
}

# failure TITLE [FILE]: the last lines of FILE tell why
failure()
{
	{
		echo "FAIL: $1"
		[ -z "${2:-}" ] || tail -n "${3:-30}" "$2" | sed 's/^/    /'
	} >>"$report/failures"
}

# judge TITLE COMMAND...: one check with its own log; status 4 is a skip
judge()
{
	local title=$1 log start=$SECONDS rc=0
	shift

	log=$report/$(echo "$title" | tr -c 'a-zA-Z0-9\n' -).log
	("$@") >"$log" 2>&1 </dev/null || rc=$?
	case $rc in
	0)	echo "ok   $title ($((SECONDS - start)) s)"
		count 1 0 0 ;;
	4)	echo "skip $title: $(tail -n 1 "$log")"
		count 0 0 1 ;;
	*)	echo "FAIL $title"
		tail -n 12 "$log" | sed 's/^/     /'
		failure "$title" "$log"
		count 0 1 0 ;;
	esac
}

# A step that everything rests on has failed: end with a count all the same.
report_abort()
{
	[ ! -e "$report/total" ] || return 0
	count 0 1 0
	failure "the run ended early"
	report_end || true
}

# The closing lines; status 0 when nothing failed.
report_end()
{
	if [ -s "$report/failures" ]; then
		echo
		echo "What failed:"
		cat "$report/failures"
		echo
	fi
	awk '{ p += $1; f += $2; s += $3 }
	     END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || p == 0 }' \
		"$report/counts" | tee "$report/total"
	return "${PIPESTATUS[0]}"
}
