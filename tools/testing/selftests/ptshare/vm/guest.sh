#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the guest: the programs of a list, one by one, each in a cgroup of its
# own, the kernel log looked at after each.  Owns /run/out; what it leaves there
# is read by programs.sh on the host.
#
# usage: guest.sh LIST	(lines: NAME SECONDS COMMAND...)
# Ends with status 3 when the kernel complained and a fresh boot should go on.
set -u
dir=$(dirname "$0")
out=/run/out
flavor=${PTSHARE_FLAVOR:-fast}
kmemleak=/sys/kernel/debug/kmemleak

mark()
{
	echo "ptshare-test: $*" >/dev/kmsg
}

# Whatever a program leaves behind ends with its cgroup.
in_cgroup()
{
	local cg=/sys/fs/cgroup/test.$1 rc=0
	shift

	mkdir -p "$cg"
	(
		echo 0 >"$cg/cgroup.procs"
		exec "$@"
	) </dev/null || rc=$?
	echo 1 >"$cg/cgroup.kill"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		rmdir "$cg" 2>/dev/null && break
		sleep 0.2
	done
	return $rc
}

show()
{
	local name=$1 secs=$2 p f s

	{
		read -r p f s
		if [ "$f" = 0 ]; then
			printf '%-4s %s (%s passed, %s skipped, %s s)\n' ok "$name" "$p" "$s" "$secs"
		else
			printf '%-4s %s (%s passed, %s failed, %s skipped, %s s)\n' \
				FAIL "$name" "$p" "$f" "$s" "$secs"
			sed 's/^/     /'
		fi
	} <"$out/$name.result"
}

# splat.allow.NAME adds to what is allowed during that one program.
allowed()
{
	cat /run/splat.allow
	[ ! -f "$dir/splat.allow.$1" ] || grep -vE '^(#|$)' "$dir/splat.allow.$1"
}

judge()
{
	local name=$1 rc=$2 splats

	awk -v rc="$rc" -f "$dir/tap.awk" "$out/$name.log" >"$out/$name.result"
	dmesg -S >"$out/$name.dmesg"
	# A process costs a third of a second here: mostly this one is enough.
	grep -qaE -f /run/splat.deny "$out/$name.dmesg" || return 0
	splats=$(grep -aE -f /run/splat.deny "$out/$name.dmesg" |
		 grep -avE -f <(allowed "$name"))
	[ -n "$splats" ] || return 0
	{
		awk 'NR == 1 { $2++; print; next } { print }' "$out/$name.result"
		printf '%s\n' "$splats" | head -n 5 | sed 's/^/kernel: /'
	} >"$out/$name.result.new"
	mv "$out/$name.result.new" "$out/$name.result"
	return 1
}

run_one()
{
	local name=$1 limit=$2 start=$SECONDS rc=0 bad=0
	shift 2

	echo "$name" >"$out/current"
	dmesg -S --clear
	mark "begin $name"
	in_cgroup "$name" timeout -k 10 "$limit" "$@" >"$out/$name.log" 2>&1 || rc=$?
	mark "end $name status $rc"
	judge "$name" "$rc" || bad=1
	rm -f "$out/current"
	show "$name" $((SECONDS - start))
	return $bad
}

# Leaks belong to no program: a result of its own.
leaks()
{
	[ -w "$kmemleak" ] || return 0
	echo kmemleak >"$out/current"
	dmesg -S --clear
	mark "begin kmemleak"
	echo scan >"$kmemleak"
	sleep 6
	echo scan >"$kmemleak"
	cat "$kmemleak" >"$out/kmemleak.log"
	if [ -s "$out/kmemleak.log" ]; then
		printf '0 1 0\n%s unreferenced objects\n' \
			"$(grep -c '^unreferenced' "$out/kmemleak.log")"
	else
		echo "1 0 0"
	fi >"$out/kmemleak.result"
	mark "end kmemleak"
	show kmemleak 0
	rm -f "$out/current"
}

export PTSHARE_FLAVOR=$flavor
for kind in deny allow; do
	grep -vE '^(#|$)' "$dir/splat.$kind" >/run/splat.$kind
done
[ ! -f "$dir/splat.allow.flavor.$flavor" ] ||
	grep -vE '^(#|$)' "$dir/splat.allow.flavor.$flavor" >>/run/splat.allow
[ ! -w $kmemleak ] || { echo scan >$kmemleak; echo clear >$kmemleak; } 2>/dev/null
splat=0
while read -r name limit command; do
	[ ! -f "$out/$name.result" ] || continue
	# shellcheck disable=SC2086 # a list of words
	run_one "$name" "$limit" $command </dev/null || splat=1
	# After the first complaint lockdep is off and memory may be damaged.
	if [ "$splat" = 1 ] && [ "${PTSHARE_REBOOT:-1}" = 1 ]; then
		leaks
		exit 3
	fi
done <"$1"
leaks
# What lockdep knows by now, see lock-classes.sh.
[ ! -r /proc/lockdep ] || cat /proc/lockdep >"$out/lockdep"
: >"$out/complete"
