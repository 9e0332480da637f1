#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# A prefork server, unmodified: the workers of gunicorn share a cache that was
# mapped before they were forked, with and without the shim in one boot.
bats_require_minimum_version 1.8.0
load helper

setup_file()
{
	[ -c /dev/ptshare ] && command -v gunicorn >/dev/null || return 0
	"$BATS_TEST_DIRNAME/../bench/prefork.sh" -q -o "$BATS_FILE_TMPDIR/rows" >&2
}

setup()
{
	need_device
	command -v gunicorn >/dev/null || skip "no gunicorn"
}

# The value $2 of the rows of table $1, without the shim and with it.
values()
{
	jq -rs --arg t "$1" --arg k "$2" '[.[] | select(.table == $t)] | map(.[$k]) | join(" ")' \
		"$BATS_FILE_TMPDIR/rows"
}

@test "the cache is a window" {
	assert_equal "$(values workers windows)" "0 1"
}

@test "page tables of 20 workers that have seen all: at most a tenth" {
	local plain shim
	read -r plain shim <<<"$(values workers growth_kB)"
	# 128 MB take 256 kB of tables
	[ "$plain" -ge $((20 * 250)) ] || fail "plain: $plain kB"
	[ "$shim" -le $((plain / 10)) ] || fail "plain $plain kB, with the shim $shim kB"
}

@test "VmPTE of a worker grows by 24 kB at most" {
	local plain shim
	read -r plain shim <<<"$(values workers vmpte_growth_max_kB)"
	[ "$plain" -ge 250 ] || fail "plain: $plain kB"
	[ "$shim" -le 24 ] || fail "with the shim: $shim kB"
}

# Each byte of the cache is the number of its MB, and a MB has 256 pages.
@test "all workers give the same answer, with and without" {
	local answer="20 $((256 * 127 * 128 / 2))"
	assert_equal "$(values answers answers)" "$answer $answer"
}

@test "a worker that is killed is replaced" {
	assert_equal "$(values recovers answer)" "ok ok"
	assert_equal "$(values recovers windows)" "0 1"
}
