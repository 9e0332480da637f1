#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# PostgreSQL under the shim gives the same answers, and survives what it survives
# without.
bats_require_minimum_version 1.8.0
load helper

pgbin=/usr/lib/postgresql/15/bin

setup_file()
{
	[ -c /dev/ptshare ] && [ -x $pgbin/postgres ] || return 0
	"$BATS_TEST_DIRNAME/../bench/postgres.sh" -q -t 1 -o "$BATS_FILE_TMPDIR/rows" answers crash >&2
}

setup()
{
	need_device
	[ -x $pgbin/postgres ] || skip "no PostgreSQL 15"
}

# The value of $2 in the row of table $1, without the shim and with it.
values()
{
	jq -rs --arg t "$1" --arg k "$2" '[.[] | select(.table == $t)] | map(.[$k]) | join(" ")' \
		"$BATS_FILE_TMPDIR/rows"
}

@test "pgbench with a seed leaves the same balance" {
	local plain shim
	read -r plain shim <<<"$(values answers balance)"
	[ -n "$plain" ]
	assert_equal "$shim" "$plain"
}

@test "balances of accounts, tellers, branches and history agree" {
	assert_equal "$(values answers agree)" "true true"
	assert_equal "$(values answers history)" "780 780"
}

@test "a backend killed: the server makes its memory anew, and has all data" {
	assert_equal "$(values crash windows)" "0 1"
	assert_equal "$(values crash windows_after)" "0 1"
	assert_equal "$(values crash after_backend)" "true true"
}

@test "the server killed: a new one recovers" {
	assert_equal "$(values crash after_server)" "true true"
}

@test "checksums of all pages are right in the end" {
	assert_equal "$(values crash checksums)" "true true"
}
