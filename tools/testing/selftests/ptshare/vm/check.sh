#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make check`: builds everything, runs every check, ends with the count.
# T='name ...' runs only these test programs, FLAVOR= takes another kernel for them.
# PTSHARE_ALL=1 adds the programs of check-all, all-*.bats and systemd-*.bats.
set -eu
. "$(dirname "$0")/lib.sh"
. "$vm_dir/report.sh"

only=${PTSHARE_ONLY:-}
start=$SECONDS
beside=

bats_names()
{
	local file

	for file in "$top/tools/mshare-ctl/tests/$1"-*.bats; do
		[ ! -e "$file" ] || basename "$file"
	done
}

programs()
{
	[ $# -gt 1 ] || return 0
	echo "== programs in the $1 guest"
	"$vm_dir/programs.sh" "$@"
}

# A guest leaves most of a CPU unused, and some of this is long: what needs no
# guest is done beside one, and shown when it has ended.
beside()
{
	nice -n 10 "$@" >"$report/beside" 2>&1 </dev/null &
	beside=$!
}

beside_end()
{
	local rc=0

	wait "$beside" || rc=$?
	beside=
	cat "$report/beside"
	return "$rc"
}

everything()
{
	local more='' long=''

	build_all fast
	echo "== built fast ($((SECONDS - start)) s)"
	[ "${PTSHARE_ALL:-0}" = 0 ] || {
		"$vm_dir/deps.sh" postgres suite prefork systemd fire
		"$vm_dir/postgres-suite.sh" || say "without PostgreSQL's regression tests"
		more=$(program_names all)
		long=$(bats_names all; bats_names systemd)
	}
	beside "$vm_dir/kernel.sh" debug
	# The bats files test the tool, and are slow in the debug guest.
	# shellcheck disable=SC2046,SC2086 # lists of words
	MEM=${MEM:-8G} programs fast $(program_names fast) $(bats_names vm) $long
	beside_end
	echo "== built debug ($((SECONDS - start)) s)"
	beside "$vm_dir/lint.sh"
	# shellcheck disable=SC2046,SC2086 # lists of words
	MEM=${MEM:-6G} programs debug $(program_names debug) $more
	judge "lockdep has seen every lock" "$vm_dir/lock-classes.sh" "$report"/debug.*/out/lockdep
	echo "== checks without a guest ($((SECONDS - start)) s)"
	beside_end
}

some()
{
	local flavor=${FLAVOR_SET:-} of_fast fast='' debug='' name

	build_all
	if [ -n "$flavor" ]; then
		"$vm_dir/kernel.sh" "$flavor"
		# shellcheck disable=SC2086 # a list of words
		MEM=${MEM:-6G} programs "$flavor" $only
		return
	fi
	of_fast=$(program_names fast)
	for name in $only; do
		if [[ " $of_fast " = *" $name "* ]]; then
			fast="$fast $name"
		else
			debug="$debug $name"
		fi
	done
	# shellcheck disable=SC2086 # a list of words
	{
		[ -z "$debug" ] || { "$vm_dir/kernel.sh" debug; MEM=${MEM:-6G} programs debug $debug; }
		[ -z "$fast" ] || { "$vm_dir/kernel.sh" fast; MEM=${MEM:-8G} programs fast $fast; }
	}
}

report_reset
trap '[ -z "$beside" ] || kill "$beside"; report_abort' EXIT
if [ -n "$only" ]; then
	some
else
	everything
fi
echo "== $(((SECONDS - start) / 60)) min"
report_end
