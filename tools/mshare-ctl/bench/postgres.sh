#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# PostgreSQL as Debian has it, with and without `mshare-ctl shim`, one after the
# other on data of the same make: what the page tables of its backends cost, that
# it answers the same, and that it recovers.
#
# usage: postgres.sh [-q] [-o FILE] [-b MB] [-t MB] [-n N,N...] [-m MODE] [PART...]
#
#	-q	small: 256 MB of buffers, tables of 60 MB, 20 backends
#	-o	add a JSON object for each row to FILE
#	-b, -t	shared_buffers (1024) and size of each of three tables (240).
#		A table of more than a quarter of the buffers is read through a
#		small ring, and touches little.
#	-n	numbers of backends (100,300)
#	-m	plain or shim only
#	-s	directory of the regression tests, as vm/postgres-suite.sh makes it
#	PART	scan, answers, crash (default: all, in this order); suite: PostgreSQL's
#		own regression tests, all in the same order, those of a group at once
#
# As root, with PostgreSQL 15 and a user postgres; mshare-ctl in PATH. Data goes
# to a new directory in ${TMPDIR:-/tmp}, which should be a tmpfs. The user may
# open /dev/ptshare meanwhile.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

buffers=1024
table_mb=240
counts=100,300
modes="plain shim"
suite=
rows=/dev/null
bin=${PGBIN:-/usr/lib/postgresql/15/bin}
device=/dev/ptshare
seed=4711

# The environment stays: the shim is in it.
as_user()
{
	setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
}

under()		# MODE COMMAND...
{
	local mode=$1
	shift
	[ "$mode" = plain ] || set -- mshare-ctl shim --require -- "$@"
	as_user "$@"
}

sql()		# SQL... (each on its own)
{
	local args=() one
	for one in "$@"; do
		args+=(-c "$one")
	done
	as_user psql -XAtq -v ON_ERROR_STOP=1 "${args[@]}"
}

# --- the server -----------------------------------------------------------

settings()
{
	cat <<-END
		shared_buffers = ${buffers}MB
		max_connections = $((${counts##*,} + 20))
		huge_pages = off
		shared_memory_type = mmap
		dynamic_shared_memory_type = posix
		fsync = off
		wal_level = minimal
		max_wal_senders = 0
		max_wal_size = 8GB
		checkpoint_timeout = 1d
		autovacuum = off
		jit = off
		max_parallel_workers_per_gather = 0
		synchronize_seqscans = off
		deadlock_timeout = 1h
		client_min_messages = warning
		listen_addresses = ''
		unix_socket_directories = '$dir'
	END
}

create()
{
	as_user initdb -D "$data" -A trust --locale=C -E UTF8 --data-checksums --no-sync >"$dir/initdb.log" 2>&1 ||
		die "initdb: $(tail -n 3 "$dir/initdb.log")"
	settings >>"$data/postgresql.conf"
}

start()		# MODE
{
	under "$1" pg_ctl start -w -t 300 -s -D "$data" -l "$dir/$1.log" >&2 ||
		die "the server does not start: $(tail -n 3 "$dir/$1.log")"
	postmaster=$(head -n 1 "$data/postmaster.pid")
	segments=$(windows "$postmaster")
	[ "$segments" = "$([ "$1" = shim ] && echo 1 || echo 0)" ] ||
		die "$1: the server has $segments windows"
}

stop()
{
	as_user pg_ctl stop -w -t 300 -s -m "${1:-fast}" -D "$data" >&2
}

# One page holds one row, so that reading a table is about its pages.
load()
{
	local i
	for i in 1 2 3; do
		sql "CREATE TABLE t$i (id int, pad text)" \
			"ALTER TABLE t$i ALTER pad SET STORAGE PLAIN" >/dev/null
		sql "BEGIN; TRUNCATE t$i; INSERT INTO t$i SELECT g, repeat('x', 8000) FROM generate_series(1, $table_mb * 128) g; COMMIT" \
			"VACUUM ANALYZE t$i" >/dev/null
	done
	sql "CREATE EXTENSION pg_prewarm" "CHECKPOINT" >/dev/null
}

# --- scan: page tables ------------------------------------------------------

# pid and VmPTE of each backend of pgbench
backends_pte()
{
	local pid
	for pid in $(sql "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench'"); do
		awk -v pid="$pid" '$1 == "VmPTE:" { print pid, $2 }' "/proc/$pid/status"
	done | sort
}

# One session keeps both gates shut: it sleeps in a transaction with the locks.
shut_gates()
{
	mkfifo "$dir/gates"
	as_user psql -XAtq <"$dir/gates" >"$dir/gates.out" &
	gatekeeper=$!
	exec {gates}>"$dir/gates"
	rm "$dir/gates"
	echo "SELECT pg_advisory_lock(1), pg_advisory_lock(2);" >&"$gates"
	wait_until 60 held 2 true
}

open_gate()
{
	echo "SELECT pg_advisory_unlock($1);" >&"$gates"
}

# held NR GRANTED: are there that many of these locks?
held()
{
	[ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted = $2")" = "$1" ]
}

waiting()	# GATE NR
{
	[ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted")" = "$2" ]
}

gated_scan()
{
	cat >"$dir/scan.sql" <<-END
		SELECT pg_advisory_lock_shared(1);
		SELECT count(*) FROM t1;
		SELECT count(*) FROM t2;
		SELECT count(*) FROM t3;
		SELECT pg_advisory_lock_shared(2);
	END
}

crowd()		# MODE N
{
	local mode=$1 n=$2 before after client started
	shut_gates
	as_user pgbench -n -c "$n" -j 1 -t 1 -f "$dir/scan.sql" postgres >"$dir/pgbench.log" 2>&1 &
	client=$!
	wait_until 1800 waiting 1 "$n"
	backends_pte >"$dir/idle"
	before=$(pagetables)
	started=$SECONDS
	open_gate 1
	wait_until 7200 waiting 2 "$n"
	after=$(pagetables)
	backends_pte >"$dir/scanned"
	say "$mode: $n backends have scanned in $((SECONDS - started)) s"
	open_gate 2
	wait $client || die "pgbench: $(tail -n 3 "$dir/pgbench.log")"
	exec {gates}>&-
	wait $gatekeeper
	row backends mode "\"$mode\"" N "$n" buffers_MB "$buffers" \
		idle_kB "$before" scanned_kB "$after" growth_kB $((after - before)) \
		vmpte_idle_kB "$(awk '{ s += $2 } END { print int(s / NR) }' "$dir/idle")" \
		vmpte_growth_max_kB "$(growth_max "$dir/idle" "$dir/scanned")"
}

# Minor faults of a new backend, in its first scan and in its second.
newcomer()
{
	local faults
	cat >"$dir/first.sql" <<-'END'
		SELECT pg_backend_pid() AS pid \gset
		\setenv BACKEND :pid
		\! cut -d' ' -f10 /proc/$BACKEND/stat
		SELECT count(*) FROM t1 UNION ALL SELECT count(*) FROM t2 UNION ALL SELECT count(*) FROM t3 \g /dev/null
		\! cut -d' ' -f10 /proc/$BACKEND/stat
		SELECT count(*) FROM t1 UNION ALL SELECT count(*) FROM t2 UNION ALL SELECT count(*) FROM t3 \g /dev/null
		\! cut -d' ' -f10 /proc/$BACKEND/stat
	END
	faults=$(as_user psql -XAtq -v ON_ERROR_STOP=1 -f "$dir/first.sql")
	# shellcheck disable=SC2086 # three numbers
	set -- $faults
	row newcomer mode "\"$mode\"" pages $((3 * table_mb * 128 * 2)) \
		first_scan_minflt $(($2 - $1)) second_scan_minflt $(($3 - $2))
}

part_scan()	# MODE
{
	local mode=$1 n
	gated_scan
	sql "SELECT pg_prewarm('t1'), pg_prewarm('t2'), pg_prewarm('t3')" >/dev/null
	for n in ${counts//,/ }; do
		crowd "$mode" "$n"
	done
	newcomer
}

# --- answers: pgbench -------------------------------------------------------

sums()
{
	as_user psql -XAtq -v ON_ERROR_STOP=1 bench -c "SELECT
		(SELECT sum(abalance) FROM pgbench_accounts),
		(SELECT sum(tbalance) FROM pgbench_tellers),
		(SELECT sum(bbalance) FROM pgbench_branches),
		(SELECT coalesce(sum(delta), 0) FROM pgbench_history)"
}

quiet()
{
	"$@" >"$dir/quiet.log" 2>&1 || die "$*: $(tail -n 3 "$dir/quiet.log")"
}

bench_database()
{
	sql "DROP DATABASE IF EXISTS bench" "CREATE DATABASE bench"
	quiet as_user pgbench -i -q -s 1 bench
}

# One client with a seed gives the same balance each time; several give one that
# is the same in all four tables.
part_answers()	# MODE
{
	local mode=$1 one many
	bench_database
	quiet as_user pgbench -n --random-seed=$seed -c 1 -t 300 bench
	one=$(sums)
	quiet as_user pgbench -n --random-seed=$seed -c 8 -j 1 -t 60 bench
	many=$(sums)
	quiet as_user pgbench -n -S --random-seed=$seed -c 8 -j 1 -t 200 bench
	row answers mode "\"$mode\"" balance "${one%%|*}" \
		agree "$(agree "$one" && agree "$many" && echo true || echo false)" \
		history "$(as_user psql -XAtq bench -c "SELECT count(*) FROM pgbench_history")"
}

agree()
{
	[ "$(tr '|' '\n' <<<"$1" | sort -u | wc -l)" = 1 ]
}

# --- crash ----------------------------------------------------------------

serves()
{
	sql "SELECT 1"
}

intact()	# SUMS
{
	[ "$(sums)" = "$1" ] && quiet as_user pg_amcheck -a --install-missing && echo true || echo false
}

# The server ends all backends and makes its memory anew.
kill_backend()
{
	local backend
	as_user psql -XAtq -c "SELECT pg_sleep(1000)" >/dev/null 2>&1 &
	wait_until 60 test "$(sql "SELECT 1")" = 1
	wait_until 60 sleeper
	backend=$(sql "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()")
	kill -9 "$backend"
	wait $! || true
	wait_until 300 serves
	[ "$(head -n 1 "$data/postmaster.pid")" = "$postmaster" ] || die "the server was started anew"
	windows_after=$(windows "$postmaster")
}

sleeper()
{
	[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()")" = 1 ]
}

gone()
{
	! pgrep -u postgres -x postgres
}

kill_server()	# MODE
{
	kill -9 "$postmaster"
	wait_until 300 gone
	start "$1"
}

part_crash()	# MODE
{
	local mode=$1 before after_backend after_server clean=false
	[ "$(sql "SELECT count(*) FROM pg_database WHERE datname = 'bench'")" = 1 ] || bench_database
	before=$(sums)
	kill_backend
	after_backend=$(intact "$before")
	kill_server "$mode"
	after_server=$(intact "$before")
	stop
	! as_user pg_checksums --check -D "$data" >"$dir/checksums" || clean=true
	start "$mode"
	row crash mode "\"$mode\"" windows "$segments" windows_after "$windows_after" \
		after_backend "$after_backend" after_server "$after_server" \
		checksums "$clean"
}

# --- suite: PostgreSQL's regression tests -------------------------------------

# What the tests expect, where the other parts want something else.
suite_settings()
{
	cat <<-END
		client_min_messages = notice
		max_parallel_workers_per_gather = 2
		synchronize_seqscans = on
		deadlock_timeout = 1s
		autovacuum = on
		wal_level = replica
		max_wal_senders = 10
		max_wal_size = 1GB
	END
}

# Each test and what became of it, in the order of their names.
outcomes()
{
	sed -nE 's/^(test)? +([a-z0-9_.-]+) +\.\.\. ([a-zA-Z]+).*/\2 \3/p' "$1" | sort
}

run_suite()	# TESTS
{
	local driver
	driver=$(pg_config --pgxs)
	driver=${driver%/makefiles/pgxs.mk}/test/regress/pg_regress
	as_user "$driver" --host="$dir" --bindir="$bin" --inputdir="$1" --outputdir="$1" \
		--dlpath="$1" --schedule="$1/parallel_schedule" >"$dir/suite.log" 2>&1
}

# Server and tests write where the tests lie.
part_suite()	# MODE
{
	local mode=$1 tests=$dir/suite.$1 bad=0 started=$SECONDS
	cp -r "$suite" "$tests"
	chown -R postgres "$tests"
	suite_settings >>"$data/postgresql.conf"
	stop
	start "$mode"
	run_suite "$tests" || bad=$?
	outcomes "$dir/suite.log" >"$tests.outcomes"
	[ -s "$tests.outcomes" ] || die "pg_regress: $(tail -n 3 "$dir/suite.log")"
	say "$mode: status $bad of the regression tests after $((SECONDS - started)) s"
	[ ! -f "$tests/regression.diffs" ] || keep "$tests/regression.diffs" "suite.$mode.diffs"
	row suite mode "\"$mode\"" tests "$(wc -l <"$tests.outcomes")" \
		passed "$(grep -c ' ok$' "$tests.outcomes" || true)" \
		failed "\"$(sed -n '/ ok$/!s/ .*//p' "$tests.outcomes" | paste -sd' ')\"" \
		crashes "$(grep -c 'was terminated by signal' "$dir/$mode.log" || true)"
	rm -rf "$tests"
}

# In the guest, for who wants to know more.
keep()		# FILE NAME
{
	[ ! -d "${PTSHARE_OUT:-}" ] || cp "$1" "$PTSHARE_OUT/$2"
}

# A row for each test that does not end the same way in both modes.
suite_differs()
{
	local name plain shim
	join -a 1 -a 2 -e none -o 0,1.2,2.2 "$dir/suite.plain.outcomes" "$dir/suite.shim.outcomes" |
		while read -r name plain shim; do
			[ "$plain" = "$shim" ] ||
				row suite_differs test "\"$name\"" plain "\"$plain\"" shim "\"$shim\""
		done
}

# --- all ------------------------------------------------------------------

judge()
{
	local n
	for n in ${counts//,/ }; do
		limit_growth A1 backends "$n" "$share"
		limit A1 "VmPTE of each of $n backends, growth in kB" \
			"$(value backends vmpte_growth_max_kB shim "$n")" 24
	done
	limit A1 "minor faults of a new backend" "$(value newcomer first_scan_minflt shim)" 500
}

cleanup()
{
	[ ! -f "$data/postmaster.pid" ] || stop immediate 2>/dev/null || true
	[ -z "$owner" ] || { chown "$owner" $device && chmod "$mode_bits" $device; }
	[ -n "${KEEP:-}" ] || rm -rf "$dir"
}

run_mode()	# MODE
{
	local mode=$1 part
	data=$dir/$mode
	create
	start "$mode"
	load
	for part in $parts; do
		say "$mode: $part"
		"part_$part" "$mode"
	done
	stop
	rm -rf "$data"
}

share=2
while getopts qo:b:t:n:m:s: opt; do
	case $opt in
	q)	buffers=256 table_mb=60 counts=20 share=10 ;;
	o)	rows=$(realpath "$OPTARG") ;;
	b)	buffers=$OPTARG ;;
	t)	table_mb=$OPTARG ;;
	n)	counts=$OPTARG ;;
	m)	modes=$OPTARG ;;
	s)	suite=$(realpath "$OPTARG") ;;
	*)	exit 2 ;;
	esac
done
shift $((OPTIND - 1))
parts=${*:-scan answers crash}
[ "$(id -u)" = 0 ] || die "not root"
[ -x "$bin/postgres" ] || die "no PostgreSQL in $bin"
[[ " $parts " != *" suite "* ]] || [ -f "$suite/regress.so" ] || die "suite: no regression tests in '$suite'"
PATH=$bin:$PATH
dir=$(mktemp -d "${TMPDIR:-/tmp}/ptpg.XXXXXX")
data=$dir owner=
trap cleanup EXIT
chown postgres "$dir"
chmod 711 "$dir"
cd "$dir"
export PGHOST=$dir PGUSER=postgres PGDATABASE=postgres HOME=$dir
if [ -c $device ]; then
	owner=$(stat -c %u:%g $device) mode_bits=$(stat -c %a $device)
	chown :postgres $device
	chmod 660 $device
fi
for mode in $modes; do
	run_mode "$mode"
done
[[ " $parts " != *" scan "* || $modes != "plain shim" ]] || judge
[[ " $parts " != *" suite "* || $modes != "plain shim" ]] || suite_differs
show
