/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libFuzzer, or replay.c in its place, calls. */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* FUZZ_TARGET_H */
