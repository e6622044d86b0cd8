/* Rights taken away: what an event revokes is told to the nodes at once, and stored before the event is
 * acknowledged.
 *
 *   sources --revoker_submit--> notice to the nodes --> lanes --> [ store of its shard ] --> the source's
 * done
 *
 * The store is a stream of its own (proto/roomcast/v1/revocation.proto), on a bus of its own: the last
 * message of a subject is its shard's whole truth. A notice reaches the nodes also while that stream has no
 * leader. Both may come twice, or in another order, and change nothing by that (core/revocations.h). An event
 * that revokes nothing goes to the lanes unseen.
 *
 * Owns: events from revoker_submit() until their `done`.   Thread: the lanes' loop, except
 * revoker_submit() and revoker_hurry() (any), and new and free (main). */
#ifndef ROOMCAST_RELAY_REVOKER_H
#define ROOMCAST_RELAY_REVOKER_H

#include <roomcast/base/err.h>
#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>
#include <roomcast/io/loop.h>

#include "event.h"
#include "lanes.h"
#include "tenure.h"

struct revoker;

struct revoker_options {
    const struct config *config; /* borrowed */
    struct loop *loop;           /* borrowed; the lanes' */
    struct bus *bus;       /* borrowed: the revocations'; may outlive the revoker with answers to come */
    struct lanes *lanes;   /* borrowed; freed before the revoker */
    struct tenure *tenure; /* borrowed: stores are made only while it is valid */
    void (*on_unavailable)(void *context); /* the stream could not be used: loop thread, often */
    void *context;
};

enum err revoker_new(const struct revoker_options *options, struct revoker **ret_revoker) MUST_CHECK;
/* As lanes_submit(). An event that revokes comes back as EVENT_STORED when both it and what it revokes are
 * stored, as EVENT_REFUSED when either will never be. */
void revoker_submit(struct revoker *revoker, struct relay_event *event);
/* The order of a stream entry "<ms>-<n>": the same whenever it is read. 0: it has not that form. */
uint64_t revoker_order(const char *entry_id);
/* The bus or the stream's leader is back: what waits is tried at once. */
void revoker_hurry(struct revoker *revoker);
/* Another relay works: all events come back as EVENT_ABANDONED, and what is stored is not known any more. */
void revoker_abandon(struct revoker *revoker);
/* No event waits, and the bus has nothing of ours. */
bool revoker_is_idle(const struct revoker *revoker);
/* After the loop has ended and the lanes were freed, before loop_free(). Accepts NULL, nulls. */
void revoker_free(struct revoker **revoker);

#endif
