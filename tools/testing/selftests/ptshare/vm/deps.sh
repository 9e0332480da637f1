#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the list of Debian packages.  Installs what dpkg does not know, with apt,
# as root or through sudo; says what it does and does nothing when all is there.
#
# usage: deps.sh [build|vm|tools|check|bench|fuzz|fire|arm64|postgres|suite|prefork|
#		   systemd|regress]...
#	(without an argument all that `make check` needs)
set -eu
. "$(dirname "$0")/lib.sh"

pkg_build="build-essential flex bison bc libelf-dev libssl-dev cpio rsync quilt kmod xz-utils patch util-linux"
pkg_vm="qemu-system-x86 procps util-linux kmod iproute2 e2fsprogs"
pkg_tools="build-essential pkg-config libsmartcols-dev libsystemd-dev liburing-dev libcap-dev libnuma-dev python3-docutils"
pkg_check="bats bats-assert bats-support bats-file jq sparse stress-ng shellcheck mandoc abigail-tools codespell libcap2-bin perl git spin"
pkg_bench="jq gnuplot-nox"
pkg_fuzz="build-essential clang libclang-rt-14-dev"
pkg_fire="trinity stress-ng jq"
pkg_arm64="gcc-aarch64-linux-gnu"
pkg_postgres="postgresql-15 postgresql-client-15 bsdextrautils"
pkg_suite="build-essential bzip2 debian-archive-keyring postgresql-server-dev-15"
pkg_prefork="gunicorn jq bsdextrautils"
pkg_systemd="systemd"
pkg_regress="stress-ng libfuse-dev libcap-dev libnuma-dev"

wanted()
{
	local group

	for group in "$@"; do
		case $group in
		build)	echo "$pkg_build"
			# A tree given by hand replaces Debian's package.
			[ -n "${KERNEL_SRC:-}" ] || echo linux-source-6.12 ;;
		vm)	echo "$pkg_vm" ;;
		tools)	echo "$pkg_tools" ;;
		check)	echo "$pkg_check" ;;
		bench)	echo "$pkg_bench" ;;
		fuzz)	echo "$pkg_fuzz" ;;
		fire)	echo "$pkg_fire" ;;
		arm64)	echo "$pkg_arm64" ;;
		postgres) echo "$pkg_postgres" ;;
		suite)	echo "$pkg_suite" ;;
		prefork) echo "$pkg_prefork" ;;
		systemd) echo "$pkg_systemd" ;;
		regress) echo "$pkg_regress" ;;
		*)	die "unknown package group $group" ;;
		esac
	done | tr ' ' '\n' | sort -u
}

missing()
{
	local pkg

	for pkg in $(wanted "$@"); do
		dpkg-query -W -f '${db:Status-Abbrev}' "$pkg" 2>/dev/null |
			grep -q '^[ih]i' || echo "$pkg"
	done
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null || die "not root and no sudo: install these packages by hand: $list"
		sudo "$@"
	fi
}

apt()
{
	# The needs of a terminal (progress, questions) break unattended runs.
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q \
		-o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@" >&2 </dev/null
}

# Nobody asked for a server that runs on this machine.
without_cluster()
{
	local conf=/etc/postgresql-common/createcluster.conf

	apt install -y --no-install-recommends postgresql-common
	as_root sed -i 's/^#create_main_cluster *=.*/create_main_cluster = false/' $conf
}

[ $# -gt 0 ] || set -- build vm tools check
list=$(missing "$@" | tr '\n' ' ')
[ -n "$list" ] || exit 0
command -v apt-get >/dev/null || die "no apt-get here; these are needed: $list"
say "installing: $list"
apt update || say "apt-get update failed, trying with the lists at hand"
[[ " $list" != *" postgresql-15 "* ]] || without_cluster
# shellcheck disable=SC2086 # a list of words
apt install -y --no-install-recommends $list
list=$(missing "$@" | tr '\n' ' ')
[ -z "$list" ] || die "still missing: $list"
