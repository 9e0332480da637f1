# SPDX-License-Identifier: GPL-2.0
# A prefork server with and without the shim.
panels = 1
load here."/common.gp"

set title "gunicorn: page tables of ".most("workers", "N")." workers that have read ".most("workers", "cache_MB")." MB of cache"
set ylabel "growth of PageTables, kB"
set style data histogram
set logscale y
set yrange [1:]
plot tsv."/workers" using (up(column("growth_kB"))):xtic(1) notitle
