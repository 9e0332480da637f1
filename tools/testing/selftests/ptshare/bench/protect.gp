# SPDX-License-Identifier: GPL-2.0
# Read-only and back against the number of sleeping processes.
panels = 1
load here."/common.gp"

size = most("protect", "MiB")
set title "Protection of ".size." MiB, read-only and back, for all processes"
set xlabel "processes, all asleep"
set ylabel "us"
set logscale xy
rows(mode) = sprintf("%s | awk -F'\\t' 'NR == 1 || $4 == 0'", with("protect", mode, "MiB", size))
plot for [m in modes] rows(m) using "N":"there_and_back_us" title m
