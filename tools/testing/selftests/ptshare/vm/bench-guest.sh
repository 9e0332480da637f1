#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: a benchmark, if the guest's clock is right.  A guest that
# boots on a busy host may take its clock for one of another frequency; times
# are worthless then, and its timers can keep it from doing anything else.
#
# usage: bench-guest.sh COMMAND...
# Status: the command's, or 75 if a fresh boot should try again.
file=/run/out/clock

# The host sets the time of a file below /run/out.
host_ns()
{
	echo >$file
	date -r $file +%s%N
}

clock_ok()
{
	host=$(host_ns)
	guest=$(date +%s%N)
	sleep 4
	host=$(($(host_ns) - host))
	guest=$(($(date +%s%N) - guest))
	rm -f $file
	[ $((guest * 10)) -lt $((host * 12)) ] && [ $((guest * 12)) -gt $((host * 10)) ]
}

clock_ok || {
	echo "the guest's clock is wrong: $((guest / 1000000)) ms in $((host / 1000000)) ms"
	exit 75
}
exec "$@"
