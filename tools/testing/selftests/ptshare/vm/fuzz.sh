#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make fuzz`: the fuzzer in a guest for TIME seconds (600).  Owns build/fuzz: the
# programs it keeps from run to run, what it found, and the lines it reached in
# all runs of one kernel.  build/fuzz.log gets a line for each run.
#
# usage: [TIME=] [SHARE=none|pmd|pud|all] [PTSHARE_SEED=] fuzz.sh [FLAVOR]
set -eu -o pipefail
. "$(dirname "$0")/lib.sh"

flavor=${1:-debug}
secs=${TIME:-600}
share=${SHARE:-all}
seed=${PTSHARE_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
dir=$build/fuzz
ptfuzz=$build/kselftest/ptshare/fuzz/ptfuzz
out=$dir/vm/out

# Lines that the compiler has marked in our files, as mm/NAME:LINE.
marked()
{
	local obj

	for obj in "$build/$flavor"/mm/{ptshare,write_notify}*.o "$build/$flavor"/fs/ptshare*.o; do
		objdump -dlr --no-show-raw-insn "$obj"
	done | awk '/^[^ ].*:[0-9]+( |$)/ { line = $1 }
		    /__sanitizer_cov_trace_pc/ { print line }' | names
}

# The lines of the addresses that a run has told.
reached()
{
	[ ! -s "$out/pcs" ] ||
		addr2line -e "$build/$flavor/vmlinux" <"$out/pcs" | names
}

names()
{
	sed -nE 's,^.*/((mm|fs)/(ptshare|write_notify)[^ ]*:[0-9]+).*,\1,p' | sort -u
}

# What another kernel's lines were says nothing of this one's.
lines()
{
	local kernel=$build/$flavor/.stamp

	cmp -s "$kernel" "$dir/lines.stamp" || {
		marked >"$dir/lines.all"
		: >"$dir/lines.done"
		cp "$kernel" "$dir/lines.stamp"
	}
	reached | sort -u - "$dir/lines.done" | comm -12 - "$dir/lines.all" >"$dir/lines.new"
	mv "$dir/lines.new" "$dir/lines.done"
	echo "lines covered $(wc -l <"$dir/lines.done") of $(wc -l <"$dir/lines.all")"
}

in_guest()
{
	cat <<-END
	mkdir -p /run/corpus
	cp $build/kselftest/ptshare/fuzz/corpus/* /run/corpus/
	cp $dir/corpus/* /run/corpus/ 2>/dev/null || :
	touch /run/mark
	$ptfuzz -t $secs -s $seed -m $share -c /run/corpus -p /run/out/pcs
	rc=\$?
	mkdir /run/out/corpus
	find /run/corpus -type f -newer /run/mark -exec cp -t /run/out/corpus {} +
	exit \$rc
	END
}

# The guest's names begin anew with each boot; a program's name is its content.
keep()
{
	local file

	for file in "$out"/corpus/* "$out"/mismatch-*; do
		[ -f "$file" ] || continue
		case $file in
		*/mismatch-*)	cp "$file" "$dir/mismatch-$(md5sum <"$file" | cut -c1-12)" ;;
		*)		cp "$file" "$dir/corpus/$(md5sum <"$file" | cut -c1-12)" ;;
		esac
	done
}

mkdir -p "$dir/corpus"
lock fuzz
rc=0
VM_DIR=$dir/vm FLAVOR=$flavor MEM=${MEM:-4G} TIMEOUT=$((secs * 2 + 600)) \
	"$vm_dir/vm.sh" run "$(in_guest)" | tee "$dir/log" || rc=${PIPESTATUS[0]}
keep
figures=$(sed -n 's/^# \(execs .*\)/\1/p' "$dir/log" | tail -n 1)
lines=$(lines)
printf '%s %s %s share %s seed %s: %s, %s (status %s)\n' "$(date -u +%FT%TZ)" \
	"$(git -C "$top" describe --always --dirty 2>/dev/null || echo unknown)" \
	"$flavor" "$share" "$seed" "${figures:-no figures}" "$lines" "$rc" >>"$build/fuzz.log"
[ "$rc" = 0 ] || say "programs that failed: ${dir#"$top"/}/mismatch-*"
execs=$(echo "$figures" | sed -n 's/^execs \([0-9]*\).*/\1/p')
echo "execs ${execs:-0}, $lines"
exit "$rc"
