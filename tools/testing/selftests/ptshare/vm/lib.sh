# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2164,SC2103
#
# Sourced by every script here.  Owns the names of the places under build/ and
# the few helpers all of them need.  Everything is derived from where this file
# lies, so that a checkout may be anywhere.

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
self_dir=$(dirname "$vm_dir")
top=$(cd "$vm_dir/../../../../.." && pwd -P)
build=$top/build
orig=$build/linux-orig		# as unpacked, never changed
linux=$build/linux		# overlay and patches applied
jobs=${JOBS:-$(nproc)}

# The kernel's build reads these and must not inherit ours.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL ARCH O V C W M T
export LC_ALL=C

case $top in
*[[:space:]]*)	echo "a kernel cannot be built below '$top': blanks in the name" >&2
		exit 1 ;;
esac

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	printf '%s: error: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# One writer per build directory: two `make` at once would tear it.
lock()
{
	mkdir -p "$build"
	exec {lock_fd}>"$build/.lock.$1"
	flock -n "$lock_fd" && return
	say "waiting for another make that uses build/ ($1)"
	flock "$lock_fd"
}

# The next command runs without the lock: a stray child must not keep it.
unlock()
{
	exec {lock_fd}>&-
}

# Run with the output in a log, shown only when the command fails.
quiet()
{
	local log=$1
	shift
	mkdir -p "$(dirname "$log")"
	if ! "$@" >"$log" 2>&1 </dev/null; then
		grep -nE '(error:|undefined reference|FAILED|\*\*\*)' "$log" | head -n 30 >&2 || true
		say "... last lines of $log:"
		tail -n 25 "$log" >&2
		return 1
	fi
}

kmake()
{
	local src=$1 out=$2
	shift 2
	make -C "$src" O="$out" ARCH=x86 -j"$jobs" --no-print-directory \
		KBUILD_BUILD_USER=ptshare KBUILD_BUILD_HOST=build "$@"
}

# Directories whose files lie in the kernel tree where they lie here.
overlay_dirs="arch drivers fs include kernel lib mm Documentation tools/testing/selftests/ptshare"

overlay_files()
{
	local dir

	cd "$top"
	for dir in $overlay_dirs; do
		[ -d "$dir" ] || continue
		find "$dir" -type f ! -name '*.o' ! -name '*~' ! -name '.*' \
			! -name '*.rej' ! -name '*.orig'
	done | sort
	cd - >/dev/null
}

# The overlay's kernel sources (not headers, not user space).
owned_sources()
{
	overlay_files | grep -E '^(fs|mm|lib|kernel|arch|drivers)/.*\.c$' || true
}

# The test programs of these kinds: debug, fast, all; see their Makefile.
program_names()
{
	make -s -C "$linux/tools/testing/selftests/ptshare" \
		OUTPUT="$build/kselftest/ptshare" "${@/#/names-}"
}

# Packages, source, tools and the kernels of these flavours.
build_all()
{
	local flavor

	"$vm_dir/deps.sh"
	"$vm_dir/source.sh"
	"$vm_dir/tools.sh"
	for flavor in "$@"; do
		"$vm_dir/kernel.sh" "$flavor"
	done
}

# Those whose lines `make coverage` counts: not the device that serves tests only.
covered_sources()
{
	owned_sources | grep -v '_test\.c$'
}

series_files()
{
	[ -f "$top/patches/series" ] || return 0
	sed -e 's/[[:space:]]*#.*//' -e 's/[[:space:]].*//' -e '/^$/d' "$top/patches/series"
}

# The files that the patches named on stdin touch.
patched_files()
{
	local patch

	while read -r patch; do
		sed -nE 's,^(---|\+\+\+) [^/]+/([^[:space:]]+).*,\2,p' "$top/patches/$patch"
	done | grep -v '^dev/null$' | sort -u || true
}
