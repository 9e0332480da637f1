# SPDX-License-Identifier: GPL-2.0-or-later
# The binary interface of libptshare. It may grow: run this after it has, and
# look at what changes in libptshare.abi. host-lib.bats compares the library with
# that file.

ABI_HEADERS	:= --headers-dir $(here)/include \
		--headers-dir $(top)/include/uapi/linux

abi: $(shared)
	abidw --drop-private-types $(ABI_HEADERS) --no-corpus-path \
		--no-comp-dir-path --no-show-locs --exported-interfaces-only \
		$(shared) | sed "s|path='$(here)/|path='|" >$(O)/libptshare.abi
	mv $(O)/libptshare.abi $(here)/lib/libptshare.abi

.PHONY: abi
