/* Allocation that counts and that fails when told to, for fault loops: include the standard headers, then
 * this, then the .c file under test. What the test itself allocates from then on is counted too. */
#ifndef ROOMCAST_TESTS_FAILING_ALLOC_H
#define ROOMCAST_TESTS_FAILING_ALLOC_H

#include <stdbool.h>
#include <stdlib.h>

static size_t alloc_calls;   /* so far */
static size_t alloc_live;    /* blocks not freed yet */
static size_t alloc_fail_at; /* this call fails, once; 0: none does */
static bool alloc_failed;    /* it has */

/* The k-th allocation from now on fails, k = 1, 2, ...; 0: none. */
__attribute__((unused)) static void alloc_fail(size_t k)
{
    alloc_fail_at = k ? alloc_calls + k : 0;
    alloc_failed = false;
}

__attribute__((unused)) static void *counted(void *block)
{
    alloc_live += block != NULL;
    return block;
}

__attribute__((unused)) static bool refuses(void)
{
    bool refused = ++alloc_calls == alloc_fail_at;

    alloc_failed |= refused;
    return refused;
}

__attribute__((unused)) static void *failing_malloc(size_t size)
{
    return refuses() ? NULL : counted(malloc(size));
}

__attribute__((unused)) static void *failing_calloc(size_t count, size_t size)
{
    return refuses() ? NULL : counted(calloc(count, size));
}

__attribute__((unused)) static void *failing_realloc(void *block, size_t size)
{
    if (refuses())
        return NULL;
    void *moved = realloc(block, size);
    if (!block)
        counted(moved);
    return moved;
}

__attribute__((unused)) static void counted_free(void *block)
{
    alloc_live -= block != NULL;
    free(block);
}

#define malloc(size)         failing_malloc(size)
#define calloc(count, size)  failing_calloc((count), (size))
#define realloc(block, size) failing_realloc((block), (size))
#define free(block)          counted_free(block)

#endif
