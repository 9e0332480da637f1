# SPDX-License-Identifier: GPL-2.0-or-later
# Fuzzing of the texts that libptshare reads; needs clang, but no kernel.

TIME		?= 60

fuzz:
	$(here)/fuzz/fuzz.sh $(O)/fuzz $(TIME)

.PHONY: fuzz
