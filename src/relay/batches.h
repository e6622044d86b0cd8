/* Requests of publishers, however they come: each brings one event or more, waits until all are stored, and
 * is answered then, or when that takes too long. What is open is limited, for all of them together.
 *
 * Thread: batches_take() on any; outcomes and time limits on the lanes' loop; new and free while the loop
 * does not run. */
#ifndef ROOMCAST_RELAY_BATCHES_H
#define ROOMCAST_RELAY_BATCHES_H

#include <roomcast/base/buffer.h>
#include <roomcast/io/loop.h>

#include "parcel.h"
#include "source.h"

#define BATCH_MAX 1000u /* events of one request, and at most relay.max_in_flight */

struct batches;

struct batch_answer {
    unsigned status; /* as HTTP has it: 202 when everything is stored; 503: the same may succeed later */
    size_t stored, skipped; /* 202 */
    enum error_code code;   /* otherwise */
    const char *message;    /* otherwise; borrowed for the call; NULL: the code's meaning */
};
/* Exactly once, on the thread of the call or on the lanes'. `whom` as given. */
typedef void (*batch_answered)(void *whom, const struct batch_answer *answer);

/* While the loop does not run. */
enum err batches_new(const struct source_context *context, struct loop *loop,
                     struct batches **ret_batches) MUST_CHECK;
/* Events that one request may bring. */
size_t batches_max(const struct batches *batches);
/* Takes the events out of the parcel, or refuses it: as it refuses itself, or because too much is open.
 * `tenure`: in which the request came. */
void batches_take(struct batches *batches, struct parcel *parcel, uint64_t tenure, batch_answered answered,
                  void *whom);
/* The answer as publishers get it: JSON (proto/README.md). */
void batch_answer_write(const struct batch_answer *answer, struct buffer *out);
/* New requests are refused; those that are open may finish. Any thread. */
void batches_stop(struct batches *batches);
/* Waits until no request is open, at most until `deadline_ms` (monotonic). */
void batches_join(struct batches *batches, uint64_t deadline_ms);
/* After the lanes, which answer what is left, and before the loop. Accepts NULL, nulls. */
void batches_free(struct batches **batches);

#endif
