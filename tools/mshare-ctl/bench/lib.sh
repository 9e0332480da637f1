# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # what the callers set
#
# What the benchmarks of servers have in common: rows and tables of results, page
# tables of processes. For scripts that have set $dir, a new directory, and $rows,
# a file that gets the rows too, by the time they call.

say()	{ printf -- '--- %s\n' "$*" >&2; }
die()	{ printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# A row of a table, as JSON: NAME KEY VALUE...
row()
{
	local args=(--arg table "$1") keys='{table: $table' key
	shift
	while [ $# -gt 0 ]; do
		key=$1
		args+=(--argjson "$key" "$2")
		keys+=", $key: \$$key"
		shift 2
	done
	jq -nc "${args[@]}" "$keys}" | tee -a "$rows" >>"$dir/rows"
}

wait_until()	# SECONDS COMMAND...
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || die "did not happen: $*"
		sleep 0.3
	done
}

# --- processes --------------------------------------------------------------

windows()	# PID
{
	grep -c '\[ptshare\]$' "/proc/$1/maps" || true
}

pagetables()
{
	echo 1 >/proc/sys/vm/stat_refresh
	awk '$1 == "PageTables:" { print $2 }' /proc/meminfo
}

# Of the process that grew most between two files of pids and kB.
growth_max()	# BEFORE AFTER
{
	join "$1" "$2" | awk '$3 - $2 > m { m = $3 - $2 } END { print m + 0 }'
}

# --- results ----------------------------------------------------------------

value()		# TABLE KEY MODE [N]
{
	jq -s --arg t "$1" --arg k "$2" --arg m "$3" --argjson n "${4:-null}" \
		'[.[] | select(.table == $t and .mode == $m and .N == $n)][0][$k]' "$dir/rows"
}

limit()		# RULE WHAT VALUE LIMIT
{
	row limits rule "\"$1\"" what "\"$2\"" value "$3" sense '"at most"' limit "$4" \
		verdict "$(awk -v a="$3" -v b="$4" 'BEGIN { print a <= b ? "\"ok\"" : "\"MISSED\"" }')"
}

# How the page tables of N processes have grown, with the shim and without. The
# table has their name.
limit_growth()	# RULE TABLE N LIMIT
{
	limit "$1" "page tables of $3 $2, in % of those without the shim" \
		"$(jq -n "100 * $(value "$2" growth_kB shim "$3") / $(value "$2" growth_kB plain "$3") * 100 | round / 100")" \
		"$4"
}

show()
{
	local table
	for table in $(jq -r .table "$dir/rows" | awk '!seen[$0]++'); do
		printf '\n%s\n' "$table"
		jq -rs --arg t "$table" 'map(select(.table == $t) | del(.table)) |
			(.[0] | keys_unsorted) as $k | ($k | @tsv), (.[] | [.[$k[]]] | @tsv)' "$dir/rows" |
			column -t -s $'\t'
	done
}
