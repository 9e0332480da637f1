#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fuzzes the texts that libptshare reads, from the seeds in corpus/ on. Owns DIR:
# the program, the corpus as it has grown, what was found, the log. Ends with
# "execs N, lines covered M of K", which are lines of the library and not of the
# target; fails if something was found.
#
# usage: fuzz.sh DIR SECONDS
set -eu

here=$(cd "$(dirname "$0")" && pwd)
ctl=${here%/*}
top=$(cd "$ctl/../.." && pwd)
dir=$1 seconds=$2
code=("$ctl/lib/layout.c" "$ctl/lib/parse.c")
target=("$here/layout-fuzz.c" "$ctl/src/escape.c" "${code[@]}")
flags=(-std=gnu11 -D_GNU_SOURCE -I"$ctl/include" -I"$top/include/uapi")

build()
{
	clang "${flags[@]}" -g -O1 -fno-omit-frame-pointer \
		-fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o "$dir/layout-fuzz" "${target[@]}"
	(cd "$dir/cov" && gcc "${flags[@]}" -O0 --coverage -o replay \
		"$here/replay.c" "${target[@]}")
}

run()
{
	# The timeout is wall time, and others may want the CPUs more than we do.
	"$dir/layout-fuzz" -max_total_time="$seconds" -timeout=120 \
		-rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
		-dict="$here/layout.dict" -artifact_prefix="$dir/found-" \
		"$dir/corpus" "$here/corpus" \
		>"$dir/log" 2>&1
}

# "Lines executed:99.00% of 200" for each file, summed up.
lines()
{
	find "$dir/corpus" "$here/corpus" -type f -print0 |
		xargs -0 -n 500 "$dir/cov/replay"
	(cd "$dir/cov" && gcov -n replay-layout.gcda replay-parse.gcda) |
		awk -F"[ :%']+" '
			$1 == "File" { ours = $2 ~ /\/lib\/(layout|parse)\.c$/ }
			$1 == "Lines" && ours {
				all += $5
				hit += int($3 * $5 / 100 + 0.5)
				ours = 0
			}
			END { printf "lines covered %d of %d\n", hit, all }'
}

command -v clang >/dev/null || {
	echo "fuzz.sh: clang is missing; vm/deps.sh fuzz installs it" >&2
	exit 1
}
rm -rf "$dir/cov"
mkdir -p "$dir/corpus" "$dir/cov"
build
status=0
run || status=$?
if [ "$status" != 0 ]; then
	tail -n 40 "$dir/log" >&2
	echo "fuzz.sh: found something: $(echo "$dir"/found-*)" >&2
fi
execs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$dir/log")
echo "execs ${execs:-0}, $(lines)"
exit "$status"
