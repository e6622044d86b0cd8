/* A fuzz target is one function; libFuzzer or replay.c calls it. It aborts when a promise of the parser
 * breaks. */
#ifndef ROOMCAST_TESTS_FUZZ_H
#define ROOMCAST_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <roomcast/base/slice.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool promise)
{
    if (!promise)
        abort();
}

static inline struct slice fuzz_slice(const uint8_t *data, size_t size)
{
    return (struct slice){(const char *)data, size};
}

#endif
