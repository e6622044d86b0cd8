/* Memory for a foreign library that cannot be trusted when there is none: it never hears of a failing
 * allocation, but is abandoned where it stands, and what it has allocated since it began is freed. For
 * libraries that let their allocator be set: once, before they allocate anything, to the first two of these.
 *
 * Thread: any; each its own guard. */
#ifndef ROOMCAST_BASE_GUARDED_HEAP_H
#define ROOMCAST_BASE_GUARDED_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/err.h>

/* As malloc() and free(); under a guard the first does not return when memory is out. */
void *guarded_malloc(size_t size);
void guarded_free(void *block);

/* Runs `use`, which calls the library. What that has allocated stays when it has ended, as ordinary blocks.
 * False: an allocation has failed, and `use` was left where it was: what else it holds is lost. Does not
 * nest. */
bool guarded_run(void (*use)(void *context), void *context) MUST_CHECK;

#endif
