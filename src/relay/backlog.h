/* Messages that wait to be taken in, first come first served, bounded in number and bytes.
 *
 * Owns: its messages.   Thread: one at a time. */
#ifndef ROOMCAST_RELAY_BACKLOG_H
#define ROOMCAST_RELAY_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/slice.h>

struct backlog_item {
    struct backlog_item *next;
    struct slice source, text; /* within bytes */
    char bytes[];
};
struct backlog {
    struct backlog_item *first, **last;
    size_t count, bytes;
    size_t max_count, max_bytes; /* immutable */
};

void backlog_init(struct backlog *backlog, size_t max_count, size_t max_bytes);
void backlog_fini(struct backlog *backlog);
/* Copies. False: it is full, or memory is short; nothing was added. */
bool backlog_add(struct backlog *backlog, struct slice source, struct slice text);
/* The first one, the caller's to free(); NULL when there is none. */
struct backlog_item *backlog_take(struct backlog *backlog);

#endif
