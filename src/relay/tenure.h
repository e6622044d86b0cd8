/* Whether this relay may work just now, for all its threads. One lives while the relay holds the lease
 * (lease_driver.h): from then on it alone reads and stores, until another one takes over.
 *
 *   standby   nothing is read; what is submitted comes back as abandoned
 *   valid     work
 *   paused    a tenure that is not valid just now: nothing is read or stored, and nothing given up
 *
 * What this cannot cover is a thread, or the machine, that stops between the check and what it is for, longer
 * than the lease's margin. A store that goes out so late is still fenced by its room's last sequence and
 * known by its event's id, so nothing is stored twice or over another's; an entry that is read so late is
 * noticed by the relay that works, which reads it again before it stores what came after it.
 *
 * Thread: written by the lease's driver, read by any. */
#ifndef ROOMCAST_RELAY_TENURE_H
#define ROOMCAST_RELAY_TENURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/clock.h>

struct tenure {
    _Atomic uint64_t number;         /* 0: standby */
    _Atomic uint64_t last_number;    /* the highest one yet */
    _Atomic uint64_t valid_until_ms; /* clock_boot_ms() */
};

static inline void tenure_init(struct tenure *tenure)
{
    atomic_init(&tenure->number, 0);
    atomic_init(&tenure->last_number, 0);
    atomic_init(&tenure->valid_until_ms, 0);
}

/* --- the driver's --- */

static inline void tenure_begin(struct tenure *tenure)
{
    atomic_store(&tenure->number, atomic_fetch_add(&tenure->last_number, 1) + 1);
}
/* UINT64_MAX: for ever; 0: paused. */
static inline void tenure_extend(struct tenure *tenure, uint64_t until_ms)
{
    atomic_store(&tenure->valid_until_ms, until_ms);
}
static inline void tenure_end(struct tenure *tenure)
{
    atomic_store(&tenure->valid_until_ms, 0);
    atomic_store(&tenure->number, 0);
}
/* What was read in this tenure and did not come through comes again in the next one, which begins now: for
 * the lanes, when an event could not be taken in and those behind it must not pass it. */
static inline void tenure_renew(struct tenure *tenure)
{
    if (atomic_load(&tenure->number))
        tenure_begin(tenure);
}

/* --- everybody's --- */

/* Of what is read now; 0 while others work. */
static inline uint64_t tenure_number(struct tenure *tenure)
{
    return atomic_load(&tenure->number);
}
/* By a fresh clock: ask right before the act. */
static inline bool tenure_is_valid(struct tenure *tenure)
{
    return tenure_number(tenure) != 0 && clock_boot_ms() < atomic_load(&tenure->valid_until_ms);
}

#endif
