#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns build/linux-orig (the kernel as unpacked) and build/linux (the same with
# the overlay copied in and patches/series applied).  A file is rewritten only
# when its content changes, so that make rebuilds what it must and no more.
set -eu
. "$(dirname "$0")/lib.sh"

stage=$build/stage
manifest=$build/linux.files	# what differs from linux-orig by name
tarball=${KERNEL_TARBALL:-/usr/src/linux-source-6.12.tar.xz}

origin()
{
	if [ -n "${KERNEL_SRC:-}" ]; then
		echo "$(cd "$KERNEL_SRC" && pwd -P) $(make -s -C "$KERNEL_SRC" kernelversion)"
	else
		echo "$tarball $(stat -c '%s %Y' "$tarball")"
	fi
}

unpack()
{
	local tmp=$build/linux-orig.tmp

	rm -rf "$tmp" "$orig" "$linux"
	mkdir -p "$tmp"
	if [ -n "${KERNEL_SRC:-}" ]; then
		say "copying $KERNEL_SRC"
		rsync -a --exclude=.git --exclude='*.o' --exclude='.*.cmd' "$KERNEL_SRC/" "$tmp/"
		make -s -C "$tmp" ARCH=x86 mrproper
	else
		say "unpacking $tarball"
		tar -xf "$tarball" -C "$tmp" --strip-components=1
	fi
	grep -q '^PATCHLEVEL = 12' "$tmp/Makefile" || die "not a 6.12 tree"
	mv "$tmp" "$orig"
}

fetch()
{
	local now

	# Half a tree is left when unpacking was interrupted.
	rm -rf "$linux.tmp"
	[ -n "${KERNEL_SRC:-}" ] || [ -f "$tarball" ] ||
		die "$tarball is missing (package linux-source-6.12)"
	now=$(origin)
	if [ ! -d "$orig" ] || [ "$now" != "$(cat "$build/linux-orig.from" 2>/dev/null)" ]; then
		unpack
		make -s -C "$orig" kernelversion >"$build/linux-orig.version"
		echo "$now" >"$build/linux-orig.from"
	fi
	if [ ! -d "$linux" ]; then
		cp -a --reflink=auto "$orig" "$linux.tmp"
		mv "$linux.tmp" "$linux"
		: >"$manifest"
	fi
}

# Pristine copies of the files that patches touch, then the whole series.
make_stage()
{
	rm -rf "$stage"
	mkdir -p "$stage"
	series_files | patched_files >"$build/patched.files"
	rsync -a --files-from="$build/patched.files" --ignore-missing-args "$orig/" "$stage/"
	[ -n "$(series_files)" ] || return 0
	cd "$stage"
	if ! QUILT_PATCHES=$top/patches QUILTRC=- quilt push -a --fuzz=0 >"$build/quilt.log" 2>&1; then
		tail -n 25 "$build/quilt.log" >&2
		die "patches/series does not apply to $(cat "$build/linux-orig.version") without fuzz"
	fi
	cd "$top"
	rm -rf "$stage/.pc"
}

check_overlay()
{
	local file

	while read -r file; do
		[ ! -e "$orig/$file" ] || die "$file exists in the kernel: edit it by a patch"
	done
}

# Put back, or remove, what an earlier run brought and this one does not.
restore()
{
	local file

	comm -23 "$manifest" "$manifest.new" | while read -r file; do
		if [ -e "$orig/$file" ]; then
			cp "$orig/$file" "$linux/$file"
		else
			rm -f "$linux/$file"
		fi
	done
}

sync_tree()
{
	overlay_files >"$build/overlay.files"
	check_overlay <"$build/overlay.files"
	(cd "$stage" && find . -type f | sed 's,^\./,,'; cat "$build/overlay.files") |
		sort -u >"$manifest.new"
	restore
	# No -t: a changed file must look new, an equal one must not be touched.
	rsync -rlp --checksum "$stage/" "$linux/"
	rsync -rlp --checksum --files-from="$build/overlay.files" "$top/" "$linux/"
	mv "$manifest.new" "$manifest"
}

lock source
fetch
make_stage
sync_tree
