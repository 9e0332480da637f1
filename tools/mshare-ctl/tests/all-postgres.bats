#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# PostgreSQL from Debian, unmodified: page tables of its backends with and without
# the shim, in one boot, and the line that turns it on in a cluster of Debian's.
# shellcheck disable=SC2154 # tools is helper's, stderr is set by run
bats_require_minimum_version 1.8.0
load helper

pgbin=/usr/lib/postgresql/15/bin

setup_file()
{
	[ -c /dev/ptshare ] && [ -x $pgbin/postgres ] || return 0
	"$BATS_TEST_DIRNAME/../bench/postgres.sh" -q -o "$BATS_FILE_TMPDIR/rows" scan >&2
}

setup()
{
	need_device
	[ -x $pgbin/postgres ] || skip "no PostgreSQL 15"
	rows=$BATS_FILE_TMPDIR/rows
}

# A value of the row of table $1 that $3 selects.
value()
{
	jq -s --arg t "$1" "[.[] | select(.table == \$t and ($3))][0].$2" "$rows"
}

@test "page tables of 20 backends that have scanned: at most a tenth" {
	local plain shim
	plain=$(value backends growth_kB '.mode == "plain"')
	shim=$(value backends growth_kB '.mode == "shim"')
	# 180 MB take 360 kB of tables, of which an idle backend has a few
	[ "$plain" -ge $((20 * 300)) ] || fail "plain: $plain kB"
	[ "$shim" -le $((plain / 10)) ] || fail "plain $plain kB, with the shim $shim kB"
}

@test "VmPTE of a backend grows by 24 kB at most" {
	local growth
	growth=$(value backends vmpte_growth_max_kB '.mode == "plain"')
	[ "$growth" -ge 300 ] || fail "plain: $growth kB"
	growth=$(value backends vmpte_growth_max_kB '.mode == "shim"')
	[ "$growth" -le 24 ] || fail "with the shim: $growth kB"
}

@test "the first scan of a new backend takes 500 minor faults at most" {
	local faults
	faults=$(value newcomer first_scan_minflt '.mode == "plain"')
	[ "$faults" -ge 2000 ] || fail "plain: $faults"
	faults=$(value newcomer first_scan_minflt '.mode == "shim"')
	[ "$faults" -le 500 ] || fail "with the shim: $faults"
}

# Debian's scripts know clusters in /etc and /var only, which are the guest's own.
cluster()
{
	pg_createcluster 15 shimmed --start-conf manual -- --no-sync >&2
	# shellcheck disable=SC2016
	printf '%s\n' "$@" >/etc/postgresql/15/shimmed/environment
	printf '%s\n' "fsync = off" "huge_pages = off" "shared_buffers = 64MB" \
		"listen_addresses = ''" >>/etc/postgresql/15/shimmed/postgresql.conf
	chown :postgres /dev/ptshare
	chmod 660 /dev/ptshare
}

teardown()
{
	[ -d /etc/postgresql/15/shimmed ] || return 0
	pg_ctlcluster 15 shimmed stop -m immediate >&2 || true
	pg_dropcluster 15 shimmed
	chown root:root /dev/ptshare
	chmod 600 /dev/ptshare
}

@test "one line in the cluster's file environment turns it on" {
	cluster "LD_PRELOAD = '$tools/preload/libptshare-preload.so'"
	pg_ctlcluster 15 shimmed start >&2
	local postmaster
	postmaster=$(head -n 1 /var/lib/postgresql/15/shimmed/postmaster.pid)
	run -0 grep -c '\[ptshare\]$' "/proc/$postmaster/maps"
	assert_output 1
	run -0 setpriv --reuid=postgres --regid=postgres --init-groups psql --cluster 15/shimmed -XAtc \
		"SELECT sum(g) FROM generate_series(1, 1000) g" postgres
	assert_output 500500
	pg_ctlcluster 15 shimmed stop >&2
	# and says so where it does not work
	chmod 600 /dev/ptshare
	chown root:root /dev/ptshare
	printf '%s\n' "PTSHARE_PRELOAD = 'require'" >>/etc/postgresql/15/shimmed/environment
	run pg_ctlcluster 15 shimmed start
	assert_failure
	grep -h 'libptshare-preload: no container' /var/log/postgresql/postgresql-15-shimmed.log >&2 ||
		assert_output --partial "libptshare-preload: no container"
}
