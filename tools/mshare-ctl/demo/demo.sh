#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What "make demo" runs in the guest: one container made of a memfd and of a
# large real file, mapped by 200 processes. Exit status 0 only if all went as
# it must.
#
# usage: demo.sh [FILE]		(default: the kernel tarball in /usr/src)
set -euo pipefail

processes=200
memfd=9
base=0x40000000
dir=${PTSHARE_DEMO_DIR:-/dev/shm}/ptshare-demo

# Plain instructions for SHA-256: where qemu emulates the CPU, the vector ones
# take four times as long.
export OPENSSL_ia32cap=0x0:0x0

say()	{ printf -- '--- %s\n' "$*"; }
die()	{ printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# The programs lie beside this script once installed, else with mshare-ctl.
find_programs()
{
	local here
	here=$(dirname "$(readlink -f "$0")")
	[ -x "$here/ptshare-demo" ] ||
		here=$(dirname "$(readlink -f "$(command -v mshare-ctl)")")/../libexec/ptshare
	[ -x "$here/ptshare-demo" ] || die "ptshare-demo is not built"
	PATH=$here:$PATH
}

find_file()
{
	local file
	for file in "$@" /usr/src/linux-source-6.12.tar.xz /usr/src/linux-source-*.tar.*; do
		[ "$(stat -Lc %s "$file" 2>/dev/null || echo 0)" -ge 100000000 ] || continue
		echo "$file"
		return
	done
	die "no file of 100 MB; name one"
}

# Three of four processes read the file, the others the memfd.
sizes()
{
	size=$(stat -c %s "$dir/file")
	slice=$(((size / (processes * 3 / 4) + 4096) / 4096 * 4096))
	memfd_size=$((slice * (processes - (size + slice - 1) / slice)))
}

layout()
{
	echo "# offset length prot source"
	echo "0 $memfd_size rw fd:$memfd"
	echo "$base $(((size + 4095) / 4096 * 4096)) rw $dir/file"
}

pread_all()	# digests | words
{
	pread-digests "$1" "/proc/self/fd/$memfd" 0 "$memfd_size" "$slice"
	pread-digests "$1" "$dir/file" "$base" "$size" "$slice"
}

# The judge is judged: one slice of each file by programs that are not ours.
check_pread()
{
	local file offset skip digest
	for file in "/proc/self/fd/$memfd 0" "$dir/file $base"; do
		read -r file offset <<<"$file"
		skip=$((slice * 7))
		digest=$(dd if="$file" iflag=skip_bytes,count_bytes bs=64K skip=$skip count="$slice" status=none | sha256sum)
		grep -qx "$(printf '%x' $((offset + skip))) $slice ${digest%% *}" "$dir/pread" ||
			die "sha256sum does not agree at $skip of $file"
	done
}

compare_digests()
{
	sort -o "$dir/windows" "$dir/windows"
	sort -o "$dir/pread" "$dir/pread"
	sed -n '1,2p' "$dir/windows"
	echo "..."
	sed -n '$p' "$dir/windows"
	[ "$(wc -l <"$dir/windows")" -eq $processes ] || die "$processes digests expected"
	cmp "$dir/windows" "$dir/pread" || die "digests differ"
	say "all $processes digests equal those of pread"
}

compare_words()
{
	local i
	pread_all words | awk '{ print $2 }' >"$dir/words"
	for ((i = 0; i < processes; i++)); do
		printf '%016x\n' $((0x7074736800030000 + i))
	done | cmp - "$dir/words" || die "the files do not hold what was stored"
	say "pread finds in the files what each of the $processes processes stored last"
}

inside()
{
	sizes
	say "digests of $processes slices of $slice bytes by pread, to compare with"
	pread_all digests >"$dir/pread"
	check_pread
	say "one container: a memfd of $memfd_size bytes and a file of $size bytes on tmpfs"
	layout | tee "$dir/layout"
	: >"$dir/windows"
	mshare-ctl run -f "$dir/layout" -- ptshare-demo run "$dir/windows" \
		$slice 0 $memfd_size $base "$size" || die "see above"
	compare_digests
	compare_words
}

find_programs
if [ "${PTSHARE_DEMO_INSIDE:-}" ]; then
	inside
	exit
fi

seconds=$SECONDS
say "this machine"
mshare-ctl check
file=$(find_file "$@")
rm -rf "$dir"
mkdir -p "$dir"
trap 'rm -rf "$dir"' EXIT
say "copy $file to tmpfs"
cp -- "$file" "$dir/file"
sizes
PTSHARE_DEMO_INSIDE=1 ptshare-demo memfd $memfd $memfd_size "$0"
say "done in $((SECONDS - seconds)) s: everything as it must be"
