# SPDX-License-Identifier: GPL-2.0
# Hole punch in the backing.
panels = 1
load here."/common.gp"

set style data histograms
set logscale y
set title "Hole of 16 MiB, ".most("punch", "N")." processes map the file"
set ylabel "us"
plot tsv."/punch" using (column("took_us")):xtic(1) title "fallocate"
