# SPDX-License-Identifier: GPL-2.0
# The patched kernel against the unpatched one.
panels = 1
load here."/common.gp"

set style data histograms
set title "Instructions above the unpatched kernel, no container"
set ylabel "%"
set xzeroaxis linetype -1
plot tsv."/compared" using (column("more_pct")):xtic(1) title "patched", \
     "" using (column("hooks_pct")):xtic(1) title "write notification alone"
