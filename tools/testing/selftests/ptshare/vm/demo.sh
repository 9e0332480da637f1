#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make demo`: everything from a bare Debian to the main job, with progress.
# The job itself is tools/mshare-ctl/demo/demo.sh, run in the guest.
set -eu
. "$(dirname "$0")/lib.sh"

step()
{
	say "== $* ($SECONDS s)"
}

step "packages"
"$vm_dir/deps.sh" build tools vm
step "kernel source"
"$vm_dir/source.sh"
step "kernel"
"$vm_dir/kernel.sh" fast
step "tools"
"$vm_dir/tools.sh"
step "booting"
FLAVOR=fast "$vm_dir/vm.sh" run "tools/mshare-ctl/demo/demo.sh"
step "done"
