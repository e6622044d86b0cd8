/* Publishing by request on NATS: <prefix>.in.events and <prefix>.in.revocations take what POST /v1/events and
 * POST /v1/revocations take, and answer with the same JSON, when everything is stored (proto/README.md:
 * Publishing).
 *
 * Only the relay that is active listens. So a request that nobody hears, because there is none, is told so by
 * the server at once ("no responders", NATS ADR-22); one that comes to a relay which has just ceased to be
 * active is not answered, because its successor may have heard it too. Whoever may publish on these subjects
 * is let in by the NATS server. A relay whose lease is paused goes on listening, since it may be the only
 * one; when another takes over at that moment both hear a request, and the first answer counts.
 *
 *   bus --request--> [ inbox -> thread ] --events--> batches
 *    ^-------------------- answer ---------------------'
 *
 * Thread: has one of its own, which follows the tenure and reads what has come; new, stop and free on the
 * main thread. */
#ifndef ROOMCAST_RELAY_SOURCE_NATS_H
#define ROOMCAST_RELAY_SOURCE_NATS_H

#include <roomcast/io/bus.h>

#include "batches.h"
#include "source.h"

/* Bytes of requests that are not read yet; more are refused, and beyond twice as many dropped and counted. */
#define SOURCE_NATS_WAITING_MAX (16u << 20)

struct source_nats;

/* Borrows all. */
enum err source_nats_new(const struct source_context *context, struct bus *bus, struct batches *batches,
                         struct source_nats **ret_source) MUST_CHECK;
/* Any thread. It hears requests, if this relay is the active one. */
bool source_nats_is_ready(struct source_nats *source);
/* After batches_stop(): hears no more, refuses what has come and is not read, ends the thread. */
void source_nats_stop(struct source_nats *source);
/* After the lanes have answered. Accepts NULL, nulls; the bus may still hold on to it. */
void source_nats_free(struct source_nats **source);

#endif
