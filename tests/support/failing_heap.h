/* Allocations of all of roomcast that is linked into a test's executable fail when told to: link
 * failing_heap.c into it, with --wrap of malloc, calloc, realloc, reallocarray, strdup and strndup. What
 * shared libraries allocate by themselves does not fail, unless they are given failing_heap_malloc(). */
#ifndef ROOMCAST_TESTS_FAILING_HEAP_H
#define ROOMCAST_TESTS_FAILING_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* The n-th allocation from now on fails, n = 1, 2, ..., and with `lasting` all after it; 0: none.
 * `by_others`: only those of other threads than the caller's count and fail. */
void failing_heap_fail(size_t n, bool lasting, bool by_others);
/* One has, since then. */
bool failing_heap_has_failed(void);

#endif
