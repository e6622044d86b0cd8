/* The numbers of the last messages that did something, so that none does it twice: a sealed message that was
 * heard on the bus can be sent again until its time is over.
 *
 * Thread: callers take turns.   No memory of its own, no time: the oldest number gives way. */
#ifndef ROOMCAST_CORE_REPEATS_H
#define ROOMCAST_CORE_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

#define REPEATS_KEPT 1024u /* of an operator's actions, many times as many as one time window has */

struct repeats { /* zeroed: none yet */
    uint64_t ids[REPEATS_KEPT];
    uint64_t count; /* of all ever */
};

/* True: it is there already. Otherwise it is from now on. `id` above 0. */
bool repeats_note(struct repeats *repeats, uint64_t id);

#endif
