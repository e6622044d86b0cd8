/* Bytes of the process's heap that are allocated, by all threads: what a program gives back shows here at
 * once, whatever the allocator keeps. */
#ifndef ROOMCAST_TESTS_HEAP_H
#define ROOMCAST_TESTS_HEAP_H

#include <malloc.h>
#include <stddef.h>

#if defined(__has_feature)
#define HEAP_HAS_FEATURE(name) __has_feature(name)
#else
#define HEAP_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || HEAP_HAS_FEATURE(address_sanitizer) ||  \
    HEAP_HAS_FEATURE(thread_sanitizer)
#define HEAP_IS_EXACT 1
size_t __sanitizer_get_current_allocated_bytes(void); /* sanitizer/allocator_interface.h */
static inline size_t heap_in_use(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
#define HEAP_IS_EXACT 0 /* the C library counts what it keeps for its threads */
static inline size_t heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}
#endif

#endif
