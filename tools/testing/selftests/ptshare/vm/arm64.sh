#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make arm64`: compiles our kernel files for arm64, where they can't be used,
# to find what is x86 only. Owns build/arm64.
set -eu
. "$(dirname "$0")/lib.sh"

out=$build/arm64
log=$out/build.log

arm64_make()
{
	make -C "$linux" O="$out" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- \
		-j"$jobs" --no-print-directory "$@"
}

# Without COMPILE_TEST nobody is offered what does not work there.
offered()
{
	local all=$out/.config.$1

	cat "$linux/kernel/configs/tiny-base.config" "$self_dir/config.arm64" | grep -v "^$2=" >"$all"
	KCONFIG_ALLCONFIG=$all KCONFIG_CONFIG=$out/.config.new arm64_make allnoconfig >"$log" 2>&1 ||
		{ tail "$log" >&2; die "no configuration"; }
	grep -qx 'CONFIG_PTSHARE=y' "$out/.config.new"
}

configure()
{
	! offered without CONFIG_COMPILE_TEST || die "CONFIG_PTSHARE can be chosen on arm64"
	offered all '#' || die "CONFIG_PTSHARE can't be chosen for COMPILE_TEST"
	# An equal .config keeps its time, so nothing is built again.
	cmp -s "$out/.config.new" "$out/.config" || mv "$out/.config.new" "$out/.config"
}

"$vm_dir/deps.sh" build arm64
"$vm_dir/source.sh"
lock arm64
mkdir -p "$out"
configure
quiet "$log" arm64_make prepare || die "the kernel's headers for arm64 can't be made"
# shellcheck disable=SC2046 # a list of words
quiet "$log" arm64_make -k W=1 $(owned_sources | sed 's/\.c$/.o/') ||
	die "not all of our files compile for arm64"
! grep -E "^[^ ]*/($(owned_sources | paste -sd'|')):.*warning:" "$log" >&2 ||
	die "warnings in our files"
echo "$(owned_sources | wc -l) files compile for arm64"
