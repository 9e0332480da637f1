# SPDX-License-Identifier: GPL-2.0
# fork and exit, and the latency of fork.
panels = 2
load here."/common.gp"

set multiplot layout 2,1
set title "fork and exit of a process that has touched 64 MiB"
set ylabel "1000 instructions"
set logscale y
set style data histograms
plot tsv."/forkcost_counted" using (column("fork_exit_kinstr")):xtic(1) title "fork, exit", \
     "" using (up(column("fork_touch_exit_kinstr"))):xtic(1) title "fork, touch all, exit"

set title "Latency of fork"
set xlabel "MiB mapped and written"
set ylabel "us, median"
set style data linespoints
plot for [m in modes." anon nothing"] of("latency", m) using "MiB":"median_us" title m
unset multiplot
