#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A prefork server with and without `mshare-ctl shim`, one after the other: what
# the page tables of its workers cost. gunicorn as Debian has it maps a cache with
# the application, before it forks.
#
# usage: prefork.sh [-q] [-o FILE] [-c MB] [-n NR] [-m MODE]
#
#	-q	small: 128 MB of cache, 20 workers
#	-o	add a JSON object for each row to FILE
#	-c	cache (512)
#	-n	workers (100)
#	-m	plain or shim only
#
# As root, with gunicorn; mshare-ctl in PATH. Data goes to a new directory in
# ${TMPDIR:-/tmp}.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

cache=512
workers=100
modes="plain shim"
rows=/dev/null
here=$(dirname "$(realpath "$0")")

# --- the server -------------------------------------------------------------

start()		# MODE
{
	local under=()
	[ "$1" = plain ] || under=(mshare-ctl shim --require --)
	cd "$dir"
	CACHE_MB=$cache "${under[@]}" gunicorn --preload --workers "$workers" --timeout 0 \
		--config python:prefork --bind "unix:$dir/socket" prefork:application \
		</dev/null >"$dir/out" 2>&1 &
	master=$!
	wait_until 300 decided
	running || die "the server does not start: $(tail -n 3 "$dir/out")"
}

stop()
{
	kill -TERM "$master"
	wait "$master" || true
	master=
}

# To start a process takes long under emulation: the shell itself looks.
find_workers()
{
	pids=()
	read -ra pids <"/proc/$master/task/$master/children" || true
}

running()
{
	find_workers
	[ -S "$dir/socket" ] && [ ${#pids[@]} = "$workers" ]
}

decided()
{
	running || ! kill -0 "$master"
}

ask()		# NR PATH
{
	python3 "$dir/prefork.py" "$dir/socket" "$1" "$2"
}

# --- page tables ------------------------------------------------------------

workers_pte()
{
	local files
	find_workers
	files=("${pids[@]/#//proc/}")
	awk '$1 == "Pid:" { pid = $2 } $1 == "VmPTE:" { print pid, $2 }' "${files[@]/%//status}" | sort
}

run_mode()	# MODE
{
	local mode=$1 before after answers
	start "$mode"
	ask 1 "" >/dev/null
	workers_pte >"$dir/idle"
	before=$(pagetables)
	answers=$(ask "$workers" "$workers" | sort | uniq -c | awk '{ $1 = $1; print }')
	after=$(pagetables)
	workers_pte >"$dir/visited"
	say "$mode: $workers workers have seen all"
	row workers mode "\"$mode\"" N "$workers" cache_MB "$cache" \
		windows "$(windows "$master")" idle_kB "$before" visited_kB "$after" growth_kB $((after - before)) \
		vmpte_growth_max_kB "$(growth_max "$dir/idle" "$dir/visited")"
	row answers mode "\"$mode\"" answers "\"$answers\""
	recover "$mode"
	stop
}

# --- what it survives -------------------------------------------------------

replaced()	# PID
{
	running && [[ " ${pids[*]} " != *" $1 "* ]]
}

# A worker that dies is forked again.
recover()	# MODE
{
	local mode=$1 victim
	find_workers
	victim=${pids[0]}
	kill -9 "$victim"
	wait_until 60 replaced "$victim"
	row recovers mode "\"$mode\"" answer "\"$(ask 1 "")\"" windows "$(windows "$master")"
}

# --- all --------------------------------------------------------------------

judge()
{
	limit_growth goal workers "$workers" "$share"
}

cleanup()
{
	[ -z "$master" ] || kill "$master" 2>/dev/null || true
	[ -n "${KEEP:-}" ] || rm -rf "$dir"
}

share=2
while getopts qo:c:n:m: opt; do
	case $opt in
	q)	cache=128 workers=20 share=10 ;;
	o)	rows=$(realpath "$OPTARG") ;;
	c)	cache=$OPTARG ;;
	n)	workers=$OPTARG ;;
	m)	modes=$OPTARG ;;
	*)	exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# = 0 ] || die "no argument, but '$1'"
[ "$(id -u)" = 0 ] || die "not root"
command -v gunicorn >/dev/null || die "no gunicorn"
dir=$(mktemp -d "${TMPDIR:-/tmp}/ptfork.XXXXXX")
master=
trap cleanup EXIT
chmod 755 "$dir"
cp "$here/prefork.py" "$dir"
for mode in $modes; do
	run_mode "$mode"
done
[ "$modes" != "plain shim" ] || judge
show
