/* A fault loop: what is done is done again and again, and each time another allocation fails, until none is
 * left that could. Needs failing_heap.c, and cmocka. */
#ifndef ROOMCAST_TESTS_EVERY_ALLOCATION_H
#define ROOMCAST_TESTS_EVERY_ALLOCATION_H

#include <roomcast/base/err.h>

#include "failing_heap.h"
#include "heap.h"

/* `run` does it, asserts that what is said to have worked is right, and gives everything back. It works, or
 * says ERR_NO_MEMORY: want of memory is nobody's fault, and must not look like one. `leaks_nothing` is held
 * by a build with a sanitizer. */
static inline void every_allocation_fails(enum err (*run)(void), bool lasting, bool leaks_nothing)
{
    assert_int_equal(run(), ERR_OK);
    size_t in_use = heap_in_use(), n = 0;
    for (bool failed = true; failed; n++) {
        failing_heap_fail(n + 1, lasting, false);
        enum err err = run();
        failed = failing_heap_has_failed();
        failing_heap_fail(0, false, false);
        if (err != ERR_OK && (err != ERR_NO_MEMORY || !failed))
            fail_msg("allocation %zu: %s", n + 1, err_name(err));
        if (HEAP_IS_EXACT && leaks_nothing && heap_in_use() != in_use)
            fail_msg("allocation %zu: %zd bytes are left", n + 1, (ssize_t)(heap_in_use() - in_use));
    }
    assert_true(n > 1);
}

#endif
