#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks that need no guest: scripts, style, sparse and W=1 for what we own, the
# same code with CONFIG_PTSHARE=n, the table of rules, the host's bats files.
# Owns build/lint and build/off*; adds to the report.
#
# usage: lint.sh [NAME...]	(shell patches style sparse off rules spin ctl series)
set -eu
. "$(dirname "$0")/lib.sh"
. "$vm_dir/report.sh"

owned_c()
{
	overlay_files | grep -E '\.[ch]$' || true
}

shell()
{
	local files

	files=$(cd "$top" && git ls-files -co --exclude-standard 2>/dev/null |
		while read -r f; do
			[ -f "$f" ] && head -c 64 "$f" | head -n 1 | grep -qE '^#!.*/(env )?(ba)?sh' && echo "$f"
		done)
	# shellcheck disable=SC2086 # a list of words
	(cd "$top" && shellcheck -x -P SCRIPTDIR -e SC2015,SC2016 $files)
}

checkpatch()
{
	# No git below it: what it would do with one needs more packages.
	GIT_DIR=/nonexistent perl "$linux/scripts/checkpatch.pl" --root="$linux" --strict --no-signoff --no-summary \
		--terse --show-types --ignore FILE_PATH_CHANGES "$@"
}

style()
{
	# By names as in the kernel: user headers have rules of their own.
	cd "$top"
	export -f checkpatch
	export linux
	owned_c | xargs -r -n 4 -P "$jobs" bash -c 'checkpatch -f "$@"' checkpatch
}

patches()
{
	local patch bad=0

	for patch in $(series_files); do
		checkpatch --patch "$top/patches/$patch" || bad=1
	done
	return $bad
}

# make a configured directory with the headers that are generated
prepared()
{
	local src=$1 out=$2 extra=${3:-}

	mkdir -p "$out"
	cat "$src/kernel/configs/tiny-base.config" "$self_dir/config" "$self_dir/config.fast" \
		>"$out/.config.all"
	printf '%b\n' "$extra" >>"$out/.config.all"
	KCONFIG_ALLCONFIG=$out/.config.all KCONFIG_CONFIG=$out/.config.new \
		kmake "$src" "$out" allnoconfig || return 1
	cmp -s "$out/.config.new" "$out/.config" || mv "$out/.config.new" "$out/.config"
	kmake "$src" "$out" prepare || return 1
}

objects_of()
{
	local file

	while read -r file; do
		case $file in
		*.c) echo "${file%.c}.o" ;;
		esac
	done
}

sparse()
{
	local out=$build/lint objs log=$report/sparse.out

	objs=$(owned_sources | objects_of)
	[ -n "$objs" ] || { echo "no kernel source yet"; return 4; }
	prepared "$linux" "$out" >"$report/lint.prepare" 2>&1 || { tail "$report/lint.prepare"; return 1; }
	# shellcheck disable=SC2086 # a list of words
	(cd "$out" && rm -f $objs)
	# shellcheck disable=SC2086 # a list of words
	kmake "$linux" "$out" -k C=2 W=1 $objs >"$log" 2>&1 || { tail -n 30 "$log"; return 1; }
	# Other files' headers may warn; ours may not.
	if grep -E '(warning|error|note):' "$log" | grep -E "$(owned_c | sed 's,[.],\\.,g' | paste -sd'|')"; then
		return 1
	fi
}

# "The patched tree with CONFIG_PTSHARE=n is the unpatched tree".
off()
{
	local objs obj bad=0

	objs=$(series_files | patched_files | grep -E '\.c$' | grep -vE '^(tools|Documentation|scripts)/' | objects_of)
	[ -n "$objs" ] || { echo "no patches yet"; return 4; }
	off_build "$orig" "$build/off.orig" "" "$objs" || return 1
	off_build "$linux" "$build/off" "CONFIG_PTSHARE=n\nCONFIG_PTSHARE_TEST=n" "$objs" || return 1
	for obj in $objs; do
		"$vm_dir/code-of.pl" "$build/off.orig/$obj" >"$build/off.orig/code"
		"$vm_dir/code-of.pl" "$build/off/$obj" >"$build/off/code"
		cmp -s "$build/off.orig/code" "$build/off/code" && { echo "same: $obj"; continue; }
		echo "differs: $obj"
		diff -u "$build/off.orig/code" "$build/off/code" | head -n 20
		bad=1
	done
	return $bad
}

off_build()
{
	local src=$1 out=$2 extra=$3 objs=$4 log=$2.log obj

	prepared "$src" "$out" "$extra" >"$log" 2>&1 || { tail "$log"; return 1; }
	# An object of code that the config leaves out is no target of make.
	# shellcheck disable=SC2086 # a list of words
	kmake "$src" "$out" -k $objs >>"$log" 2>&1 || { grep -E 'error|\*\*\*' "$log" | tail; return 1; }
}

rules()
{
	[ -x "$self_dir/check-rules.sh" ] || { echo "no check-rules.sh yet"; return 4; }
	"$self_dir/check-rules.sh"
}

series()
{
	[ -n "$(series_files)" ] || { echo "no patches yet"; return 4; }
	BUILD=quick "$vm_dir/series.sh" series
}

# The protocol of links and flushes as a model; its mutations must be found.
spin()
{
	make -s -C "$self_dir/spin" OUTPUT="$build/spin"
}

# The bats files that need no guest; their cases are counted one by one.
ctl()
{
	local file p f s start

	for file in "$top"/tools/mshare-ctl/tests/host-*.bats; do
		[ -e "$file" ] || continue
		start=$SECONDS
		rc=0
		PATH=$build/install/usr/bin:$build/install/usr/sbin:$PATH \
			LD_LIBRARY_PATH=$build/install/usr/lib \
			timeout 600 bats --tap "$file" >"$report/host.log" 2>&1 </dev/null || rc=$?
		awk -v rc="$rc" -f "$vm_dir/tap.awk" "$report/host.log" >"$report/host.result"
		read -r p f s <"$report/host.result"
		count "$p" "$f" "$s"
		if [ "$f" = 0 ]; then
			echo "ok   $(basename "$file") ($p passed, $s skipped, $((SECONDS - start)) s)"
		else
			echo "FAIL $(basename "$file")"
			sed -n '2,$s/^/     /p' "$report/host.result"
			failure "host: $(basename "$file")" "$report/host.log"
		fi
	done
}

[ $# -gt 0 ] || set -- shell patches style sparse off series rules spin ctl
for name in "$@"; do
	case $name in
	shell)		judge "shellcheck" shell ;;
	patches)	judge "checkpatch on the patches" patches ;;
	style)		judge "checkpatch on our files" style ;;
	sparse)		judge "sparse and W=1 on our files" sparse ;;
	off)		judge "same code with CONFIG_PTSHARE=n" off ;;
	series)		judge "every step of the series builds" series ;;
	rules)		judge "every rule has its test" rules ;;
	spin)		judge "the model of links and flushes holds" spin ;;
	ctl)		ctl ;;
	*)		die "no check $name" ;;
	esac
done
