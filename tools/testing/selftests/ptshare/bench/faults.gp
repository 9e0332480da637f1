# SPDX-License-Identifier: GPL-2.0
# Minor faults of one process, and the touch phase of all of them.
panels = 2
load here."/common.gp"

set multiplot layout 2,1
size = most("faults", "MiB")
set title "Minor faults of one process for ".size." MiB"
set ylabel "faults"
set logscale y
set style data histograms
rows = sprintf("< awk -F'\\t' 'NR == 1 || $2 == %s' %s/faults", size, tsv)
plot for [c in "first second later_max"] rows using (up(column(c))):xtic(1) title c

set title "Touch phase for 64 MiB: all read, all write"
set xlabel "processes"
set ylabel "1000 instructions"
set style data linespoints
set logscale x
plot for [m in modes] of("touch_counted", m) using "N":"total_kinstr" title m
unset multiplot
