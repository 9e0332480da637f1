#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Compares the table of rules with the tests, both ways: a test that is named
# in the table has to exist, and a test that exists has to stand for a rule.
# The page on threats names tests too, and cases of bats files: these have to
# exist. Prints what differs, and fails if anything does.
#
# usage: check-rules.sh [TABLE [THREATS]]

here=$(cd "$(dirname "$0")" && pwd) || exit 2
table=${1:-$here/../../../../Documentation/mm/ptshare-rules.rst}
threats=${2:-$here/../../../../Documentation/mm/ptshare-threats.rst}
bats=$here/../../../mshare-ctl/tests
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

for page in "$table" "$threats"; do
	[ -r "$page" ] || { echo "$0: no table at $page" >&2; exit 2; }
done

# A program and the headers of ours that it includes: some bring tests.
source_of()
{
	cat "$1"
	sed -n 's/^#include "\([a-z_]*\.h\)".*/\1/p' "$1" | while read -r h; do
		[ ! -r "$here/$h" ] || cat "$here/$h"
	done
}

# TEST(name), TEST_F(fixture, name) and their kin, also over several lines.
tests_of()
{
	tr '\n\t' '  ' | grep -oE '\bTEST(_F)?(_SIGNAL|_TIMEOUT)? *\([^)]*\)' |
	sed -nE -e 's/^TEST(_SIGNAL)? *\( *([a-z0-9_]+).*/global.\2/p' \
		-e 's/^TEST_F[A-Z_]* *\( *([a-z0-9_]+) *, *([a-z0-9_]+).*/\1.\2/p'
}

for file in "$here"/*_test.c "$here"/*_scale.c "$here"/*_long.c; do
	[ -r "$file" ] || continue
	program=$(basename "$file" .c)
	source_of "$file" | tests_of | sed "s/^/$program:/"
done | sort -u > "$work/sources"

for file in "$bats"/*.bats; do
	[ -r "$file" ] || continue
	sed -nE "s/^@test \"(.*)\" \{\$/$(basename "$file"):\1/p" "$file"
done | sort -u > "$work/cases"

named_in()
{
	grep -oE '``[a-z0-9_]+:[a-z0-9_]+\.[a-z0-9_]+``' "$1" | tr -d '`' | sort -u
}

named_in "$table" > "$work/table"
named_in "$threats" > "$work/threats"
grep -oE '``[a-z-]+\.bats:[^`]+``' "$threats" | tr -d '`' | sort -u > "$work/threat-cases"

[ -s "$work/sources" ] && [ -s "$work/table" ] || {
	echo "$0: found no tests" >&2
	exit 2
}

status=0
comm -13 "$work/sources" "$work/table" > "$work/missing"
if [ -s "$work/missing" ]; then
	echo "named in the table, but no such test:"
	sed 's/^/	/' "$work/missing"
	status=1
fi
{
	comm -13 "$work/sources" "$work/threats"
	# A kernel tree has the tests, but not the tools.
	[ ! -d "$bats" ] || comm -13 "$work/cases" "$work/threat-cases"
} > "$work/missing"
if [ -s "$work/missing" ]; then
	echo "named in the page on threats, but no such test:"
	sed 's/^/	/' "$work/missing"
	status=1
fi
comm -23 "$work/sources" "$work/table" > "$work/unnamed"
if [ -s "$work/unnamed" ]; then
	echo "tests that no rule of the table names:"
	sed 's/^/	/' "$work/unnamed"
	status=1
fi

# Every rule has a test, and a number of its own; a claim may say "No test".
rules='^ +\* - [CRMDLNT][0-9]+$'
grep -hE "$rules" "$table" "$threats" | sort | uniq -d > "$work/twice"
if [ -s "$work/twice" ]; then
	echo "rule numbers given twice:"
	cat "$work/twice"
	status=1
fi
untested()
{
	awk '/^ +\* - [CRMDLNT][0-9]+$/ {
		if (rule && !seen) print "\t" rule
		rule = $3; seen = 0
	}
	/``[a-z0-9_]+:[a-z0-9_]+\.[a-z0-9_]+``/ || /``[a-z-]+\.bats:/ ||
	/^ +- No test: / { seen = 1 }
	END { if (rule && !seen) print "\t" rule }' "$1"
}

{ untested "$table"; untested "$threats"; } > "$work/untested"
if grep -E '^ +- No test: ' "$table" >> "$work/untested" ||
   [ -s "$work/untested" ]; then
	echo "rules without a test:"
	cat "$work/untested"
	status=1
fi

[ $status != 0 ] ||
	echo "$(grep -cE "$rules" "$table") rules, $(wc -l < "$work/table") tests," \
	     "$(grep -cE "$rules" "$threats") claims on threats"
exit $status
