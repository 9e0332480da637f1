#!/usr/bin/env bats
# SPDX-License-Identifier: GPL-2.0-or-later
# PostgreSQL's own regression tests, with and without the shim in one boot.
# shellcheck disable=SC2154 # repo is helper's
bats_require_minimum_version 1.8.0
load helper

setup_file()
{
	suite=$repo/build/postgres-suite
	export suite
	[ -c /dev/ptshare ] && [ -f "$suite/regress.so" ] || return 0
	"$BATS_TEST_DIRNAME/../bench/postgres.sh" -q -t 1 -s "$suite" -o "$BATS_FILE_TMPDIR/rows" suite >&2
}

setup()
{
	need_device
	[ -f "$suite/regress.so" ] || skip "no regression tests: vm/postgres-suite.sh fetches them"
}

# The value of $1 without the shim and with it.
values()
{
	jq -rs --arg k "$1" '[.[] | select(.table == "suite")] | map(.[$k]) | join(" ")' \
		"$BATS_FILE_TMPDIR/rows"
}

@test "all tests have run" {
	local nr
	nr=$(sed -n 's/^test: //p' "$suite/parallel_schedule" | wc -w)
	[ "$nr" -gt 200 ]
	assert_equal "$(values tests)" "$nr $nr"
}

@test "the same tests pass with the shim as without" {
	run jq -rs '.[] | select(.table == "suite_differs") | "\(.test): \(.plain), with the shim \(.shim)"' \
		"$BATS_FILE_TMPDIR/rows"
	assert_output ""
	local plain shim
	read -r plain shim <<<"$(values passed)"
	assert_equal "$shim" "$plain"
	[ "$plain" -gt 200 ]
}

@test "no server process dies of a signal" {
	assert_equal "$(values crashes)" "0 0"
}
