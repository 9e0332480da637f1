# SPDX-License-Identifier: GPL-2.0
# From mmap to the first byte.
panels = 2
load here."/common.gp"

set multiplot layout 2,1
set style data histograms
set title "From mmap to the first byte of 64 MiB"
set ylabel "1000 instructions"
plot for [c in "first median"] tsv."/attach_counted" using (column(c."_kinstr")):xtic(1) title c
set ylabel "us"
plot for [c in "first median"] tsv."/attach" using (column(c."_us")):xtic(1) title c
unset multiplot
