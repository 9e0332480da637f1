# SPDX-License-Identifier: GPL-2.0
# PostgreSQL with and without the shim.
panels = 1
load here."/common.gp"

set title "PostgreSQL: page tables of backends that have scanned ".most("backends", "buffers_MB")." MB of buffers"
set xlabel "backends"
set ylabel "growth of PageTables, kB"
set logscale y
plot for [m in "plain shim"] of("backends", m) using "N":(up(column("growth_kB"))) title m
