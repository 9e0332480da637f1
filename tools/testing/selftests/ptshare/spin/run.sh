#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Has spin check one model and prints one line. A model that is to hold must
# have been searched to the end; one that is to fail must break an assertion.
#
# usage: run.sh holds|fails RESULT MODEL [-DMACRO...]
# Leaves pan's output in the file RESULT when it is as wanted.
set -eu

want=$1
result=$2
model=$(realpath "$3")
shift 3
work=$result.d
log=$work/pan.log
name="$(basename "$model") $*"

give_up()
{
	echo "$name: $1" >&2
	[ ! -f "$log" ] || tail -n 20 "$log" >&2
	exit 1
}

rm -rf "$work" "$result"
mkdir -p "$work"
cd "$work"
log=pan.log
command -v spin >/dev/null || give_up "no spin here (package spin)"
# The mutations end early: for them the compiler takes longer than the search.
opt=-O1
[ "$want" = holds ] || opt=-O0
spin "$@" -a "$model" >spin.log 2>&1 || { cat spin.log >&2; give_up "is no model"; }
gcc -w "$opt" -DSAFETY -DMEMLIM=2000 -o pan pan.c
./pan -m500000 >"$log" 2>&1 || true

states=$(sed -nE 's/^ *([0-9]+) states, stored$/\1/p' "$log")
broken=$(sed -nE 's/^pan:1: (.*) \(at depth.*/\1/p' "$log" | head -n 1)
if [ "$want" = holds ]; then
	[ -z "$broken" ] || give_up "$broken"
	grep -q 'errors: 0$' "$log" || give_up "was not checked"
	! grep -qE 'not completed|too small' "$log" || give_up "was not searched to the end"
	echo "$name: holds, $states states"
else
	[ -n "$broken" ] || give_up "nothing is found"
	echo "$name: found after $states states: $broken"
fi
cd - >/dev/null
mv "$work/pan.log" "$result"
rm -rf "$work"
