#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The first process of the test guest: makes the host's read-only root usable,
# runs the command that vm.sh left, reports its status and ends the guest. With
# ptvm.init=systemd it leaves its place to systemd, which does the latter.
# Uses only what a minimal Debian has.

PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH

arg()
{
	sed -n "s/.*\\bptvm\\.$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline
}

arguments()
{
	run=$(arg run)
	top=$(arg top)
	limit=$(arg limit)
}

# The source tree must stay visible when it lies where a tmpfs goes.
cover()
{
	mkdir -p /dev/.keep
	mount --bind "$top" /dev/.keep
	mount -t tmpfs -o "mode=$2,size=75%" tmp "$1"
	case $top/ in
	"$1"/*)	mkdir -p "$top" && mount --bind /dev/.keep "$top" ;;
	esac
	umount /dev/.keep
}

overlay()
{
	mkdir -p "/run/overlay$1/up" "/run/overlay$1/work"
	mount -t overlay -o "lowerdir=$1,upperdir=/run/overlay$1/up,workdir=/run/overlay$1/work" \
		overlay "$1"
}

mounts()
{
	cover /run 755
	cover /tmp 1777
	mkdir -p /dev/shm /dev/pts
	mount -t tmpfs -o mode=1777 shm /dev/shm
	mount -t devpts -o mode=620,ptmxmode=666 pts /dev/pts
	overlay /etc
	overlay /var
	mount -t debugfs debug /sys/kernel/debug
	mount -t tracefs trace /sys/kernel/tracing
	mount -t cgroup2 cgroup /sys/fs/cgroup
	mkdir -p /run/out
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,access=any out /run/out
}

# Bats and many scripts want these.
links()
{
	ln -sfn /proc/self/fd /dev/fd
	ln -sf /proc/self/fd/0 /dev/stdin
	ln -sf /proc/self/fd/1 /dev/stdout
	ln -sf /proc/self/fd/2 /dev/stderr
	mkdir -p /run/dev
	for disk in /sys/block/vd*; do
		serial=$(cat "$disk/serial" 2>/dev/null) || continue
		ln -s "/dev/${disk##*/}" "/run/dev/$serial"
	done
	for port in /sys/class/virtio-ports/*; do
		[ -r "$port/name" ] && ln -s "/dev/${port##*/}" "/run/dev/$(cat "$port/name")"
	done
}

controllers()
{
	sed -e 's/^/+/' -e 's/ / +/g' /sys/fs/cgroup/cgroup.controllers \
		>/sys/fs/cgroup/cgroup.subtree_control
}

environment()
{
	HOME=/tmp/root
	mkdir -p "$HOME"
	inst=$top/build/install/usr
	PATH=$inst/bin:$inst/sbin:$top/build/kselftest/ptshare:$PATH
	LD_LIBRARY_PATH=$inst/lib
	PTSHARE_SCRATCH=/run/dev/scratch
	PTSHARE_OUT=/run/out
	export HOME PATH LD_LIBRARY_PATH PTSHARE_SCRATCH PTSHARE_OUT
	export LANG=C.UTF-8 TERM="${TERM:-dumb}" USER=root LOGNAME=root SHELL=/bin/sh
	# shellcheck disable=SC1091 # made by vm.sh
	[ ! -f "$run/env" ] || . "$run/env"
	cd "$top" || cd /
}

setup()
{
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	arguments
	mounts
	links
	controllers
	hostname ptshare 2>/dev/null || echo ptshare >/proc/sys/kernel/hostname
	ip link set lo up
	swapon /run/dev/swap
	echo 1 >/proc/sys/kernel/sysrq
}

# Before the host gives up, leave a trace of who waits for what.
watchdog()
{
	[ "$limit" -gt 60 ] || return 0
	(
		sleep $((limit - 20))
		echo "ptvm: still running after $((limit - 20)) s" >/dev/kmsg
		echo w >/proc/sysrq-trigger
		echo l >/proc/sysrq-trigger
	) >/dev/null 2>&1 &
}

end()
{
	sync
	# Emergency restart; QEMU runs with -no-reboot and ends.
	echo b >/proc/sysrq-trigger
	sleep 60
}

# A pipe stands between the command and the port: a port cannot be opened
# again through /dev/stdout.
run_cmd()
{
	mkfifo /run/stdout
	cat </run/stdout >/run/dev/ptvm.stdout &
	reader=$!
	: >/run/out/started
	(exec sh -c "$(cat "$run/cmd")") </dev/null >/run/stdout 2>&1
	echo $? >/run/status
	# Something left behind may hold the pipe: do not wait for ever.
	(sleep 5; kill $reader) 2>/dev/null &
	wait $reader
	cp /run/status /run/out/status
}

run_shell()
{
	shell=$(arg shell)
	{
		[ -z "$shell" ] || stty rows "${shell%x*}" cols "${shell#*x}"
		TERM=xterm setsid -c bash -i
	} </dev/ttyS0 >/dev/ttyS0 2>&1
}

# What a test starts shall not bring all of the host's services up: systemd sees
# these units, and what the test adds in /etc.
units()
{
	unit_dir=/run/units
	mkdir -p $unit_dir /run/none
	for name in sysinit basic sockets shutdown; do
		cp "/lib/systemd/system/$name.target" $unit_dir
	done
	cat >$unit_dir/ptvm.service <<-END
		[Unit]
		DefaultDependencies=no
		AllowIsolate=yes
		[Service]
		ExecStart=/bin/sh $0
	END
}

become_systemd()
{
	units
	exec env -i PATH="$PATH" SYSTEMD_UNIT_PATH=/etc/systemd/system:$unit_dir \
		SYSTEMD_GENERATOR_PATH=/run/none SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/run/none \
		/lib/systemd/systemd --unit=ptvm.service --log-target=kmsg --show-status=no \
		--default-standard-output=kmsg
}

work()
{
	environment
	if grep -q ptvm.shell= /proc/cmdline; then
		run_shell
	else
		watchdog
		run_cmd
	fi
	end
}

if [ $$ = 1 ]; then
	setup
	[ "$(arg init)" != systemd ] || become_systemd
else
	arguments
fi
work
