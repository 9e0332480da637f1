# SPDX-License-Identifier: GPL-2.0
# Page tables against the number of processes.
panels = 1
load here."/common.gp"

size = most("tables", "MiB")
set title "Page tables for ".size." MiB touched by all processes"
set xlabel "processes"
set ylabel "growth of PageTables, kB"
set logscale xy
rows(mode) = sprintf("%s | awk -F'\\t' 'NR == 1 || $2 == \"null\"'", with("tables", mode, "MiB", size))
plot for [m in modes] rows(m) using "N":(up(column("touched_kB"))) title m
