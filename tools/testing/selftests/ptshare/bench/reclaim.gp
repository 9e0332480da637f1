# SPDX-License-Identifier: GPL-2.0
# Interrupts for other processors while memory is reclaimed.
panels = 2
load here."/common.gp"

set multiplot layout 2,1
set style data histograms
set ylabel "number"
rows(n) = sprintf("< awk -F'\\t' 'NR == 1 || $5 %s 0' %s/reclaim", n, tsv)
set title "Reclaim, all processes asleep"
plot for [c in "remote_flush received CAL TLB"] rows("==") using (column(c)):xtic(1) title c
set title "Reclaim, two readers run"
plot for [c in "remote_flush received CAL TLB"] rows(">") using (column(c)):xtic(1) title c
unset multiplot
