# SPDX-License-Identifier: GPL-2.0
# Catching writes: the first write of a page, and arming.
panels = 2
load here."/common.gp"

modes = "async async-none block signal uffd-async uffd-sync mprotect"
set multiplot layout 2,1
set title "First write of a page that is watched"
set xlabel "processes"
set ylabel "1000 instructions"
set logscale xy
plot for [m in modes] of("notify_counted", m) using "N":"first_write_kinstr" title m

set title "Arming ".most("notify_arm_counted", "MiB")." MiB again, for all processes"
plot for [m in "async async-none uffd-async mprotect"] of("notify_arm_counted", m) using "N":"again_kinstr" title m
unset multiplot
