#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs test programs in guests of one flavour and adds to the report.  A guest
# that dies or hangs fails the program it was running; the others go on in a new
# boot.  Owns $report/FLAVOR.N, one directory per boot.
#
# The files systemd-*.bats get a boot of their own, with systemd as the first
# process.
#
# usage: programs.sh FLAVOR NAME...	(names of programs or of bats files)
# PTSHARE_CASE=fixture.variant.test runs only that one case.
set -eu
. "$(dirname "$0")/lib.sh"
. "$vm_dir/report.sh"

flavor=$1
shift
limit=${PTSHARE_PROG_TIMEOUT:-420}
max_boots=${PTSHARE_MAX_BOOTS:-8}
bin=$build/kselftest/ptshare
list=$report/$flavor.list
boot=0

export FLAVOR=$flavor PTSHARE_FLAVOR=$flavor VM_SPLAT=report
export TIMEOUT=${TIMEOUT:-3600} PTSHARE_REBOOT=1
export PTSHARE_TEST_SECS=${PTSHARE_TEST_SECS:-2}

command_of()
{
	case $1 in
	*.bats)	echo "bats --tap $top/tools/mshare-ctl/tests/$1" ;;
	*)	echo "$bin/$1${PTSHARE_CASE:+ -r $PTSHARE_CASE}" ;;
	esac
}

init_of()
{
	case $1 in
	systemd-*.bats)	echo systemd ;;
	*)		echo script ;;
	esac
}

# Those that want the first process that is $init.
make_list()
{
	local name

	for name in "$@"; do
		[ "$(init_of "$name")" = "$init" ] || continue
		[ -f "$report/$flavor/$name.result" ] || echo "$name $limit $(command_of "$name")"
	done >"$list"
}

# Results of a boot go to one place for the whole flavour.
collect()
{
	local out=$1/out file

	for file in "$out"/*.result; do
		[ -e "$file" ] || continue
		[ "$(basename "$file")" != kmemleak.result ] || {
			take_leaks "$out"
			continue
		}
		take "$out" "$(basename "$file" .result)"
	done
}

take()
{
	local out=$1 name=$2

	cp "$out/$name".* "$report/$flavor/"
	read -r p f s <"$out/$name.result"
	count "$p" "$f" "$s"
	[ "$f" = 0 ] || {
		failure "$flavor: $name"
		{
			sed -n '2,$s/^/    /p' "$out/$name.result"
			explain "$out" "$name"
		} >>"$report/failures"
	}
}

# What a reader wants to see of a failed program.
explain()
{
	local out=$1 name=$2 splat

	grep -vE '^(ok|#  RUN|#       OK|# +RUN|# +OK)' "$out/$name.log" | tail -n 25 | sed 's/^/    | /'
	splat=$("$vm_dir/splat.sh" "$out/$name.dmesg" | head -n 1)
	[ -z "$splat" ] || grep -aF -A 40 -m 1 -e "$splat" "$out/$name.dmesg" | sed 's/^/    > /'
}

take_leaks()
{
	read -r p f s <"$1/kmemleak.result"
	count "$p" "$f" "$s"
	[ "$f" = 0 ] || failure "$flavor: kmemleak (boot $boot)" "$1/kmemleak.log" 40
}

# The guest died under a program, or never came up.
lost()
{
	local dir=$1 rc=$2 name why

	case $rc in
	71)	why="hung" ;;
	72)	why="was lost" ;;
	*)	why="failed to boot or to run the list (status $rc)" ;;
	esac
	name=$(cat "$dir/out/current" 2>/dev/null || true)
	echo "FAIL ${name:-guest}: the guest $why"
	failure "$flavor: ${name:-guest}: the guest $why" "$dir/console.log" 60
	count 0 1 0
	[ -n "$name" ] || return 1
	cp "$dir/out/$name.log" "$report/$flavor/" 2>/dev/null || true
	echo "0 1 0" >"$report/$flavor/$name.result"
}

# Complaints that no program was charged with: at boot, between programs.
stray()
{
	local dir=$1 splats

	splats=$(awk '/ptshare-test: begin/ { in_test = 1 }
		      !in_test { print }
		      /ptshare-test: end/ { in_test = 0 }' "$dir/console.log" | "$vm_dir/splat.sh")
	[ -n "$splats" ] || return 0
	echo "FAIL the kernel complained outside any program"
	printf '%s\n' "$splats" | sed 's/^/     /' | head -n 10
	failure "$flavor: the kernel complained outside any program (boot $boot)"
	printf '%s\n' "$splats" | sed 's/^/    /' | head -n 20 >>"$report/failures"
	count 0 1 0
}

boot_once()
{
	local dir=$report/$flavor.$boot rc=0

	APPEND="${APPEND:-} ptvm.init=$init" VM_DIR=$dir "$vm_dir/vm.sh" run "$vm_dir/guest.sh $list" || rc=$?
	collect "$dir"
	if [ ! -f "$dir/out/complete" ] && [ "$rc" != 3 ]; then
		lost "$dir" "$rc" || return 1
	else
		stray "$dir"
	fi
}

boots()
{
	make_list "$@"
	while [ -s "$list" ]; do
		boot=$((boot + 1))
		if [ "$boot" -gt "$max_boots" ]; then
			failure "$flavor: $(wc -l <"$list") programs not run after $max_boots boots"
			count 0 "$(wc -l <"$list")" 0
			break
		fi
		# Too many complaints: better the rest in one damaged guest than nothing.
		[ "$boot" -lt $((max_boots - 1)) ] || export PTSHARE_REBOOT=0
		boot_once || break
		make_list "$@"
	done
}

mkdir -p "$report/$flavor"
for name in "$@"; do
	file=$(PTSHARE_CASE='' command_of "$name")
	[ -e "${file##* }" ] || die "no program $name"
done
for init in script systemd; do
	boots "$@"
done
