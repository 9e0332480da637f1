# SPDX-License-Identifier: GPL-2.0
# munmap of a touched window.
panels = 2
load here."/common.gp"

set multiplot layout 2,1
set style data histograms
set logscale y
set title "munmap of 64 MiB that were touched"
set ylabel "1000 instructions"
plot tsv."/detach_counted" using (column("munmap_kinstr")):xtic(1) title "one process"
set title "munmap of 64 MiB by ".most("leave", "N")." processes"
set ylabel "us"
plot tsv."/leave" using (column("munmap_us")):xtic(1) title "until the last has", \
     "" using (column("floor_us")) title "a job that does nothing", \
     "" using (column("in_munmap_us")) title "in the call, summed"
unset multiplot
