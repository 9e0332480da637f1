#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The fuzzer for PTSHARE_FUZZ_SECS seconds (60) in each way to share tables, from
# PTSHARE_SEED (1) on: new ground is for `make fuzz`. What is printed of a mismatch
# has the command that repeats it.
dir=$(dirname "$0")/fuzz
secs=${PTSHARE_FUZZ_SECS:-60}
seed=${PTSHARE_SEED:-1}
nr=0
bad=0

echo "TAP version 13"
echo "1..3"
for share in none pmd pud; do
	nr=$((nr + 1))
	result=ok
	"$dir/ptfuzz" -t "$secs" -s "$seed" -m $share -c "$dir/corpus" || {
		result="not ok"
		bad=1
	}
	echo "$result $nr fuzz.$share"
done
exit $bad
