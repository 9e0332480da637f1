#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs that know nothing of ptshare and are made to find what breaks: trinity
# on the device and on windows, stress-ng with its shared memory in windows, each
# for PTSHARE_FIRE_SECS (60), as a user without rights. What counts is that the
# kernel says nothing, that they get as far as without windows, and that nothing
# is left.
# shellcheck disable=SC2317 # functions are called by judge
secs=${PTSHARE_FIRE_SECS:-60}
seed=${PTSHARE_SEED:-1}
dir=$(mktemp -d)
nr=0
bad=0
trap 'rm -rf "$dir"' EXIT

as_nobody()
{
	(cd "$dir" && setpriv --reuid 65534 --regid 65534 --clear-groups "$@") >"$dir/log" 2>&1
}

# Ends by a limit of its own: the time. Sockets crash its setup without IPv6.
trinity_on()
{
	as_nobody timeout -s INT -k 60 "$secs" "$@" trinity -q -l off -C 4 -s "$seed" \
		-V /dev --enable-fds=memfd --enable-fds=eventfd --enable-fds=pipes \
		-x fork -x vfork -x clone -x clone3
	calls=$(sed -n 's/.*Ran \([0-9]*\) syscalls.*/\1/p' "$dir/log")
	echo "# ${calls:-0} calls"
	[ "${calls:-0}" -gt $((secs * 10)) ]
}

containers()
{
	mshare-ctl list -J | jq '.containers | length'
}

# Its statistics and locks are in windows, of each worker.
stress_in_windows()
{
	(sleep $((secs / 2)); containers >"$dir/during") &
	as_nobody mshare-ctl shim -m 4K -- stress-ng --seed "$seed" --temp-path "$dir" \
		--fork 2 --futex 2 --sem 2 --vm-rw 2 --mmap 1 --mremap 1 --msync 1 \
		--mlock 1 --shm-sysv 1 --userfaultfd 1 --madvise 1 -t "$secs" &&
		grep -q 'successful run' "$dir/log" && wait &&
		echo "# $(cat "$dir/during") containers" && [ "$(cat "$dir/during")" -gt 0 ]
}

nothing_is_left()
{
	local left

	left=$(containers)
	echo "# ${left:-?} containers"
	[ "${left:-1}" = 0 ]
}

judge()
{
	local title=$1
	shift

	nr=$((nr + 1))
	if "$@"; then
		echo "ok $nr fire.$title"
	else
		tail -n 15 "$dir/log" | sed 's/^/# /'
		echo "not ok $nr fire.$title"
		bad=1
	fi
}

echo "TAP version 13"
for tool in trinity stress-ng setpriv mshare-ctl jq; do
	command -v "$tool" >/dev/null || { echo "1..0 # SKIP no $tool"; exit 4; }
done
echo "1..4"
mode=$(stat -c %a /dev/ptshare) || exit 1
chmod 666 /dev/ptshare
chmod 777 "$dir"
judge trinity_on_the_device trinity_on
judge trinity_on_windows trinity_on mshare-ctl shim -m 4K --
judge stress_in_windows stress_in_windows
chmod "$mode" /dev/ptshare
judge nothing_is_left nothing_is_left
exit $bad
