/* Notes when events come by on NATS, on the subjects that the node hears them on.
 *
 * Thread: made and freed by the one of loop 0; the bus's threads note. */
#ifndef ROOMCAST_BENCH_HOPS_WATCH_H
#define ROOMCAST_BENCH_HOPS_WATCH_H

#include "hops.h"
#include "layout.h"
#include "options.h"

struct hops_watch;

/* Connects and subscribes to every room; `hops` is borrowed. ERR_CONFIG, ERR_UNAVAILABLE, ERR_NO_MEMORY with
 * `problem` (SOURCE_PROBLEM_SIZE) filled. */
enum err hops_watch_new(const struct bench_options *options, const struct layout *layout, struct hops *hops,
                        struct hops_watch **ret_watch, char *problem) MUST_CHECK;
/* No note is taken any more when it returns. Accepts NULL, nulls. */
void hops_watch_free(struct hops_watch **watch);

#endif
