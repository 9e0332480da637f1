#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# attach_scale with fewer processes and less memory, for the debug kernel.
PTSHARE_FLAVOR=debug exec "$(dirname "$0")/attach_scale"
