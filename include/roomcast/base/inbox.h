/* Where other threads leave work for the thread that owns an object.
 *
 * Any thread appends; the owner takes everything that has come at once and works on it outside the lock.
 * Items are intrusive: embed `struct inbox_item` first in the item's struct. The inbox never allocates.
 * Order: items of one sender come out in the order in which it put them in. */
#ifndef ROOMCAST_BASE_INBOX_H
#define ROOMCAST_BASE_INBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct inbox_item {
    struct inbox_item *next; /* owned by the inbox while queued */
};

struct inbox {
    pthread_mutex_t lock;
    struct inbox_item *head; /* under lock */
    struct inbox_item **tail;
    size_t count;                /* under lock */
    bool closed;                 /* under lock */
    void (*wake)(void *context); /* immutable after init; must be callable from any thread, and cheap */
    void *context;
};

/* `wake` is called outside the lock, once per batch: only when the inbox was empty before the append. */
void inbox_init(struct inbox *inbox, void (*wake)(void *context), void *context);
/* The inbox must be empty. */
void inbox_fini(struct inbox *inbox);

/* Appends. False, and nothing appended, when the inbox was closed: the caller keeps the item. */
bool inbox_put(struct inbox *inbox, struct inbox_item *item) __attribute__((warn_unused_result));
/* Owner only: takes the whole batch, first come first, linked by `next`; NULL when there is none. */
struct inbox_item *inbox_take(struct inbox *inbox);
/* Refuses further items. What is in can still be taken. */
void inbox_close(struct inbox *inbox);
size_t inbox_count(struct inbox *inbox);

#endif
