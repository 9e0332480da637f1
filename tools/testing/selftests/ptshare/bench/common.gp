# SPDX-License-Identifier: GPL-2.0
#
# What all plots share.  bench.sh sets: here (this directory), tsv (directory of
# tables), svg (the file to write).  The first column of a table is the mode.

set terminal svg noenhanced size 900, 420 * panels dynamic background "white" font "sans,13"
set output svg
set datafile separator "\t"
set datafile columnheaders
set key outside right
set grid ytics
set style data linespoints
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set boxwidth 0.9

modes = "plain thp hugetlb none pmd pud"

# The rows of one mode, with the line of names.
of(table, mode) = sprintf("< awk -F'\\t' 'NR == 1 || $1 == \"%s\"' %s/%s", mode, tsv, table)
# The same, where a column has a value.
with(table, mode, col, val) = sprintf("< awk -F'\\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == \"%s\") c = i } NR == 1 || $1 == \"%s\" && $c == \"%s\"' %s/%s", col, mode, val, tsv, table)
# The greatest value of a column.
most(table, col) = system(sprintf("awk -F'\\t' 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == \"%s\") c = i; next } $c + 0 > m { m = $c + 0 } END { print m + 0 }' %s/%s", col, tsv, table))
# A logarithmic axis has no 0.
up(x) = x > 0 ? x : 0.1
