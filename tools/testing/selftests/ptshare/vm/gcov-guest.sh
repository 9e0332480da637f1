#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs in the gcov guest: the programs of a list, then leaves what the kernel
# has counted in /run/out/gcov.
#
# usage: gcov-guest.sh LIST	(see guest.sh)
set -u
data=/sys/kernel/debug/gcov

echo 1 >"$data/reset"
"$(dirname "$0")/guest.sh" "$1"
cd "$data" || exit 1
# These files have no size: tools that ask for it copy nothing.
find . -name '*.gcda' | while read -r file; do
	mkdir -p "/run/out/gcov/$(dirname "$file")"
	cat "$file" >"/run/out/gcov/$file"
done
