#include "failing_heap.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t left; /* under lock, as all here: until one fails; 0: none does */
static bool lasts, others_only, has_failed;
static pthread_t teller;

void failing_heap_fail(size_t n, bool lasting, bool by_others)
{
    pthread_mutex_lock(&lock);
    left = n;
    lasts = lasting;
    others_only = by_others;
    has_failed = false;
    teller = pthread_self();
    pthread_mutex_unlock(&lock);
}

bool failing_heap_has_failed(void)
{
    pthread_mutex_lock(&lock);
    bool failed = has_failed;
    pthread_mutex_unlock(&lock);
    return failed;
}

/* True, with errno: this allocation is refused. */
static bool fails(void)
{
    bool failing = false;
    pthread_mutex_lock(&lock);
    if (left > 0 && !(others_only && pthread_equal(teller, pthread_self()))) {
        failing = left == 1;
        left -= failing && lasts ? 0 : 1;
        has_failed |= failing;
    }
    pthread_mutex_unlock(&lock);
    if (failing)
        errno = ENOMEM;
    return failing;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__real_reallocarray(void *block, size_t count, size_t size);
void *__wrap_reallocarray(void *block, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails() ? NULL : __real_realloc(block, size);
}

void *__wrap_reallocarray(void *block, size_t count, size_t size)
{
    return fails() ? NULL : __real_reallocarray(block, count, size);
}

char *__wrap_strndup(const char *text, size_t len)
{
    size_t copied = strnlen(text, len);
    char *copy = __wrap_malloc(copied + 1);
    if (copy) {
        memcpy(copy, text, copied);
        copy[copied] = '\0';
    }
    return copy;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, SIZE_MAX);
}
