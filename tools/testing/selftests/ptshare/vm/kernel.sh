#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns build/FLAVOR: the configuration and the build of one kernel.  A stamp of
# everything that goes into it makes a second run free.
#
# usage: kernel.sh FLAVOR	(a file ../config.FLAVOR names the flavour)
#	 kernel.sh pristine|pristine-FLAVOR	(fast or FLAVOR, without overlay and
#						 patches)
set -eu
. "$(dirname "$0")/lib.sh"

flavor=${1:-fast}
src=$linux
base=$flavor
case $flavor in
pristine)	base=fast ;;
pristine-*)	base=${flavor#pristine-} ;;
esac
[ "$base" = "$flavor" ] || src=$orig
fragment=$self_dir/config.$base

out=$build/$flavor
[ -f "$fragment" ] || die "no flavour '$flavor' (no $fragment)"

# Only what the compiler may see: tests and documents do not count.
stamp()
{
	{
		cat "$build/linux-orig.from" "$self_dir/config" "$fragment"
		gcc --version | head -n 1
		[ -z "${MUTANT:-}" ] || cat "$MUTANT"
		[ "$src" = "$orig" ] || (
			cd "$top"
			grep -vE '^(Documentation|tools)/' "$build/overlay.files" |
				xargs -r sha256sum
			series_files | sed 's,^,patches/,' | xargs -r sha256sum
		)
	} | sha256sum
}

configure()
{
	local all=$out/.config.all new=$out/.config.new

	mkdir -p "$out"
	cat "$src/kernel/configs/tiny-base.config" "$self_dir/config" "$fragment" \
		>"$all" 2>/dev/null
	KCONFIG_ALLCONFIG=$all KCONFIG_CONFIG=$new \
		quiet "$out/config.log" kmake "$src" "$out" allnoconfig
	verify "$all" "$new"
	# An equal .config keeps its time, so nothing is built again.
	if cmp -s "$new" "$out/.config"; then
		rm -f "$new"
	else
		mv "$new" "$out/.config"
	fi
}

# Kconfig drops a symbol with an unmet dependency without a word.
verify()
{
	local all=$1 new=$2 line name bad=

	while read -r line; do
		name=${line%%=*}
		if [[ $name = CONFIG_PTSHARE* ]] &&
		   ! grep -rqsx "config ${name#CONFIG_}" "$src/mm/Kconfig" "$src/mm/Kconfig.debug"; then
			continue
		fi
		# The last line about a symbol is the one that counts.
		[ "$(grep -E "^($name=|# $name is not set)" "$all" | tail -n 1)" = "$line" ] || continue
		case $line in
		*=n)	! grep -q "^$name=" "$new" || bad="$bad $line" ;;
		*)	grep -qxF -- "$line" "$new" || bad="$bad $line" ;;
		esac
	done < <(grep '^CONFIG_' "$self_dir/config" "$fragment" -h)
	[ -z "$bad" ] || die "these did not end up in .config:$bad"
}

# What FLAVOR=gcov counts: our sources and nothing else.
profiled()
{
	local file

	[ "$flavor" = gcov ] || return 0
	covered_sources | while read -r file; do
		echo "GCOV_PROFILE_$(basename "$file" .c).o=y"
	done
}

# A build takes minutes: show that it goes on.
progress()
{
	unlock
	while sleep 30; do
		say "  $flavor: $(grep -cE '^  (CC|AS|LD|AR) ' "$out/build.log") steps done, $((SECONDS - start)) s"
	done
}

lock "kernel.$(basename "$out")"
want=$(stamp)
if [ "$want" = "$(cat "$out/.stamp" 2>/dev/null)" ] && [ -f "$out/arch/x86/boot/bzImage" ]; then
	exit 0
fi
start=$SECONDS
configure
say "building the $flavor kernel $(cat "$build/linux-orig.version") (log: ${out#"$top"/}/build.log)"
progress &
ticker=$!
trap 'kill $ticker 2>/dev/null || true' EXIT
# shellcheck disable=SC2046 # a list of words
quiet "$out/build.log" kmake "$src" "$out" $(profiled) bzImage || die "the $flavor kernel does not build"
echo "$want" >"$out/.stamp"
say "$flavor kernel built in $((SECONDS - start)) s"
