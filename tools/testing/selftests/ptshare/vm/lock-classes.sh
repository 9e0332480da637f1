#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which locks of our kernel files lockdep has seen, and which others were taken
# next while each was held. Fails if one of ours was never taken: then no test
# drives the path that takes it, and lockdep knows nothing of it.
#
# usage: lock-classes.sh DUMP...	(copies of /proc/lockdep)
set -eu
. "$(dirname "$0")/lib.sh"

# As lockdep names them. The device that serves tests has locks of no interest.
ours()
{
	(cd "$top" && owned_sources | grep -v '_test\.c$' | xargs sed -nE \
		-e 's/.*\b(mutex_init|spin_lock_init|rwlock_init|init_rwsem|init_waitqueue_head)\((&[^)]*)\);.*/\2/p' \
		-e 's/.*\blockdep_set_class\([^,]*, *(&[^)]*)\);.*/\1/p' \
		-e 's/.*\bDEFINE_(MUTEX|SPINLOCK)\(([^)]*)\);.*/\2/p' \
		-e 's/.*\bDEFINE_XARRAY[A-Z0-9_]*\(([^,)]*).*\);.*/\1.xa_lock/p') | sort -u
}

# Lines "LOCK<tab>LOCK taken next", and "LOCK<tab>" for each class.
edges()
{
	awk '/^[0-9a-f]+ .*FD:/ { name = $NF; print name "\t"; next }
	     /^ -> / { print name "\t" $NF; next }
	     { name = "" }' "$@" | sort -u
}

all=$(ours)
seen=$(edges "$@")
missing=0
while read -r lock; do
	below=$(awk -F'\t' -v lock="$lock" '$1 == lock { found = 1; if ($2) print $2 }
		END { exit !found }' <<<"$seen") || {
		echo "never taken: $lock"
		missing=$((missing + 1))
		continue
	}
	echo "$lock: $(grep -c . <<<"$below") locks taken next, of ours:" \
		"$(grep -xF "$all" <<<"$below" | paste -sd' ')"
done <<<"$all"
[ "$missing" = 0 ]
