/* Competes with other relays for the lease (core/lease.h) over the bus, and says by the tenure whether this
 * one may work. The record stands on <prefix>.ev.relay.lease, in a stream of the events: what decides who
 * works is as available as what the work goes to. One lease is for all shards. It keeps two relays from
 * working at once; that no event is lost or numbered twice when they do is seen to by the fence of each room,
 * in the stream of the room.
 *
 * Thread: the loop's; new and free while the loop does not run, status from any thread, release from another
 * one than the loop's. */
#ifndef ROOMCAST_RELAY_LEASE_DRIVER_H
#define ROOMCAST_RELAY_LEASE_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/io/bus.h>
#include <roomcast/io/loop.h>
#include <roomcast/wire/lease_record.h>

#include "tenure.h"

struct lease_driver;

struct lease_driver_options {
    struct loop *loop;                 /* borrowed */
    struct bus *bus;                   /* borrowed; may outlive the driver with answers still to come */
    const char *prefix;                /* borrowed; of the subject */
    const char *name;                  /* borrowed; of this relay, for the others' logs */
    uint64_t ttl_ms;                   /* 0: there is no other relay, this one works for ever */
    struct tenure *tenure;             /* borrowed; written */
    void (*on_lost)(void *context);    /* the tenure has ended; loop thread */
    void (*on_resumed)(void *context); /* it is valid again after a pause; loop thread */
    bool (*is_idle)(void *context);    /* nothing of the tenure is under way; loop thread */
    void *context;
};

enum err lease_driver_new(const struct lease_driver_options *options,
                          struct lease_driver **ret_driver) MUST_CHECK;

enum lease_status_kind {
    LEASE_STATUS_UNKNOWN, /* the store has not said yet who works, or this relay is about to */
    LEASE_STATUS_STANDBY, /* another one does */
    LEASE_STATUS_ACTIVE,
    LEASE_STATUS_PAUSED, /* it did, cannot renew, and knows of no successor */
};
struct lease_status {
    enum lease_status_kind kind;
    char name[LEASE_NAME_MAX + 1]; /* STANDBY: of the active relay, as far as known */
};
void lease_driver_status(struct lease_driver *driver, struct lease_status *ret_status);

/* At the end, when the sources have ended: ends the tenure and tells the others so, unless something is still
 * under way; then it lapses. Blocks for `timeout_ms` at most. */
void lease_driver_release(struct lease_driver *driver, uint64_t timeout_ms);
/* After the loop has ended and before loop_free(). Accepts NULL, nulls. */
void lease_driver_free(struct lease_driver **driver);

#endif
