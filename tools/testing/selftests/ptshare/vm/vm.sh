#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots a built kernel in QEMU with the host's root file system, runs one
# command as root in the guest, prints its output and returns its status.
# Owns build/vm.
#
# usage: vm.sh run CMD | vm.sh shell
#
# Environment: FLAVOR SMP MEM APPEND ICOUNT ACCEL TIMEOUT (seconds), and
#   VM_DIR	directory for the console log and the results (default: a new one)
#   VM_SPLAT	"fail" (default), or "report": say it, but keep the status
#   PTSHARE_*	handed on to the command
#
# Status: that of the command, or
#   70  the kernel complained (whatever the command returned)
#   71  no end after TIMEOUT seconds
#   72  the guest was lost (panic, or QEMU ended)
#   73  the guest did not get as far as the command
set -eu
. "$(dirname "$0")/lib.sh"

flavor=${FLAVOR:-fast}
smp=${SMP:-2}
mem=${MEM:-4G}
limit=${TIMEOUT:-600}
run=${VM_DIR:-$build/vm/run.$$}
console=$run/console.log
kernel=${VM_KERNEL:-$build/$flavor/arch/x86/boot/bzImage}

# Old runs are of no use once there are ten younger ones.
prune()
{
	local dir

	for dir in $(find "$build/vm" -maxdepth 1 -name 'run.*' -printf '%T@ %f\n' |
		     sort -rn | tail -n +11 | cut -d' ' -f2); do
		kill -0 "${dir#run.}" 2>/dev/null || rm -rf "$build/vm/$dir"
	done
}

prepare()
{
	rm -rf "$run"
	mkdir -p "$run/out" "$build/vm"
	prune
	ln -sfn "$(basename "$run")" "$build/vm/last" 2>/dev/null || true
	truncate -s 1G "$run/swap.img"
	/sbin/mkswap -q "$run/swap.img" >/dev/null 2>&1
	truncate -s 512M "$run/scratch.img"
	mkfifo "$run/stdout"
	export -p | grep -E '^declare -x PTSHARE_[A-Z_]+=' |
		sed 's/^declare -x/export/' >"$run/env" || true
	printf '%s' "$1" >"$run/cmd"
}

accel()
{
	case ${ACCEL:-tcg} in
	kvm)	echo "-accel kvm -cpu host" ;;
	tcg)	if [ "${ICOUNT:-0}" = 1 ]; then
			echo "-accel tcg,thread=single -icount shift=0 -cpu max"
		else
			echo "-accel tcg,thread=multi -cpu max"
		fi ;;
	*)	die "ACCEL is tcg or kvm" ;;
	esac
}

# Emulation is slow: what is a hang on hardware is not one here. With five levels
# an interrupt while identify_cpu() has forgotten LA57 makes KASAN call the direct
# map wild; the fast kernel has five.
for_flavor()
{
	case $flavor in
	*debug | strict | gcov)
		echo "numa=fake=2 page_poison=1 watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120" \
			"no5lvl" ;;
	esac
}

append()
{
	echo "console=ttyS0 root=/dev/root rootfstype=9p" \
		"rootflags=trans=virtio,version=9p2000.L,msize=262144,cache=loose ro" \
		"init=$vm_dir/init.sh ptvm.run=$run ptvm.top=$top ptvm.limit=$limit" \
		"oops=panic panic=-1 tsc=nowatchdog no_timer_check" \
		"$(for_flavor) ${mode_args:-} ${APPEND:-}"
}

qemu()
{
	# shellcheck disable=SC2046 # accel gives a list of words
	exec qemu-system-x86_64 -M q35 -nodefaults -no-user-config -display none -no-reboot \
		$(accel) -smp "$smp" -m "$mem" -kernel "$kernel" -append "$(append)" \
		-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=root,mount_tag=/dev/root \
		-fsdev local,id=out,path="$run/out",security_model=none \
		-device virtio-9p-pci,fsdev=out,mount_tag=out \
		-drive file="$run/swap.img",if=none,id=swap,format=raw,cache=unsafe \
		-device virtio-blk-pci,drive=swap,serial=swap \
		-drive file="$run/scratch.img",if=none,id=scratch,format=raw,cache=unsafe \
		-device virtio-blk-pci,drive=scratch,serial=scratch \
		-device virtio-rng-pci -device virtio-serial-pci "$@"
}

last_lines()
{
	say "--- the last lines of the guest's console (${console#"$top"/}):"
	tail -n 60 "$console" | tr -d '\r' >&2
	say "---"
}

# The command's status unless something worse happened.
verdict()
{
	local qemu_rc=$1 status='' splats

	[ ! -f "$run/out/status" ] || status=$(cat "$run/out/status")
	splats=$("$vm_dir/splat.sh" "$console")
	if [ -n "$splats" ]; then
		say "vm: the kernel complained:"
		printf '%s\n' "$splats" | head -n 20 >&2
		[ -n "$status" ] || last_lines
	fi
	if [ -n "$status" ]; then
		[ -z "$splats" ] || [ "${VM_SPLAT:-fail}" != fail ] || {
			say "vm: the command's own status was $status; log: ${console#"$top"/}"
			return 70
		}
		return "$status"
	fi
	if [ "$qemu_rc" = 124 ] || [ "$qemu_rc" = 137 ]; then
		say "vm: no end after $limit s"
		[ -n "$splats" ] || last_lines
		return 71
	fi
	say "vm: the guest was lost (QEMU's status $qemu_rc)"
	[ -n "$splats" ] || last_lines
	[ -e "$run/out/started" ] || return 73
	return 72
}

run_command()
{
	local rc=0 reader

	prepare "$1"
	: >"$console"
	cat "$run/stdout" &
	reader=$!
	# Not stdio for the output: QEMU drops what the guest writes once its own
	# standard input is at the end.
	(
		qemu_limited
	) </dev/null >"$run/qemu.log" 2>&1 || rc=$?
	# QEMU may have died before it opened the pipe.
	: <>"$run/stdout"
	wait "$reader" || true
	cat "$run/qemu.log" >&2
	rm -f "$run/swap.img" "$run/scratch.img" "$run/stdout"
	rc_final=0
	verdict "$rc" || rc_final=$?
	exit "$rc_final"
}

qemu_limited()
{
	export -f qemu accel append for_flavor die
	export run smp mem kernel vm_dir top limit flavor
	exec timeout --foreground -k 5 "$limit" bash -c 'qemu "$@"' qemu \
		-chardev file,id=con,path="$console",append=on -serial chardev:con \
		-chardev file,id=stdout,path="$run/stdout",append=on \
		-device virtserialport,chardev=stdout,name=ptvm.stdout
}

run_shell()
{
	prepare ""
	# shellcheck disable=SC2034 # read by append
	mode_args="ptvm.shell=$(stty size 2>/dev/null | tr ' ' x || true) loglevel=4"
	say "Ctrl-A x ends the guest"
	trap 'rm -f "$run/swap.img" "$run/scratch.img" "$run/stdout"' EXIT
	(qemu -serial mon:stdio)
}

[ -f "$kernel" ] || die "no $flavor kernel: make kernel FLAVOR=$flavor"
case ${1:-} in
run)	run_command "${2:?no command}" ;;
shell)	run_shell ;;
*)	die "usage: vm.sh run CMD | vm.sh shell" ;;
esac
