# SPDX-License-Identifier: GPL-2.0
# Interrupts for other processors while memory is reclaimed.
panels = 2
load here."/common.gp"

set multiplot layout 2,1
set style data histograms
set ylabel "number"
set title "Reclaim, all processes asleep"
plot for [c in "remote_flush received CAL TLB"] tsv."/reclaim" using (column(c)):xtic(1) title c
set ylabel "number for each MiB taken, median"
set title "Reclaim, two readers run"
plot for [c in "received_per_MiB CAL_per_MiB"] tsv."/running" using (column(c)):xtic(1) title c
unset multiplot
