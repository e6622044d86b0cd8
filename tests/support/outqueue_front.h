/* One frame at a time, for tests that look at each; a worker takes several (outqueue_peek). */
#ifndef ROOMCAST_TESTS_OUTQUEUE_FRONT_H
#define ROOMCAST_TESTS_OUTQUEUE_FRONT_H

#include <roomcast/core/outqueue.h>

/* The oldest, borrowed; NULL when empty. */
static inline struct frame *outqueue_front(const struct outqueue *queue)
{
    struct frame *first;
    return outqueue_peek(queue, &first, 1) == 1 ? first : NULL;
}

#endif
