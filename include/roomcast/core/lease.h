/* clang-format off */
/* Which of several relays works: one holds a lease, the others watch it.
 *
 * The lease is the last record of one subject of the store, written with the fence that events have: who
 * writes says which record he believes to be the last. No clocks are compared: a relay that watches measures
 * by its own clock how long it has seen the same record, the holder by its own since when it sent it.
 *
 *      holder's clock   |-- sent ------ may work ----------| margin |
 *      watcher's clock        |-- seen, unchanged for ttl ----------|-- take over, settle, look -- may work
 *
 * The fence is not tight before nats-server 2.10 (io/bus.h): two writes that arrive within one round of
 * replication may both pass. So who took over, or renewed a lease that had lapsed meanwhile, works only when he
 * has found his own record to be the last one, after a time to settle in which the other would have appeared.
 * A renewal that was answered while the lease still held cannot have met a take-over, which comes later.
 *
 * What is not covered: a store that forgets a take-over, or every record, can let two relays work at once until
 * the next renewal of either.
 *
 * It is a step machine: the caller reports what happened and then takes actions one at a time until there is
 * none left to do now. `now_ms` is a clock of the caller's that never goes back and does not stop while the
 * machine sleeps, read afresh for each call.
 *
 * Owns: nothing.   Thread: one at a time.
 * Knows nothing of the bus, clocks or how a record is encoded.  Never blocks, never calls back.
 *
 *  role:    STANDBY --- write stored ---> TAKEN --- settled, mine is the last ---> ACTIVE
 *             ^ ^                          | ^                                      |  |
 *             | +-- another's record ------+ +-- renewed too late (PAUSED before) --+  |
 *             +---------------- another's record: LOST --------------------------------+
 *
 *  ACTIVE and TAKEN go on through all that is not another's record: a store that is away, lost answers, a
 *  record that is gone. The lease then lapses by time alone, and the relay, paused, keeps what it has.
 *
 *  state:   LOOK --(time)--> LOOKING --+--> LOOK    unchanged, or nobody answered: later again
 *             ^                        +--> WRITE   none, released, unchanged for ttl, or mine: renew
 *             |                                 |
 *             +-- stored: settle --- WRITING <--+ (time)
 *             +-- any failure -------'  |
 *                                       +--> WRITE   stored in time: the next renewal
 *  lease_release(): writes the last record, if it is mine, as released; then ENDED. */
/* clang-format on */
#ifndef ROOMCAST_CORE_LEASE_H
#define ROOMCAST_CORE_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/wire/lease_record.h>

enum lease_state {
    LEASE_LOOK,    /* LEASE_READ is next, at at_ms */
    LEASE_LOOKING, /* the answer of LEASE_READ is awaited */
    LEASE_WRITE,   /* LEASE_PUT is next, at at_ms */
    LEASE_WRITING, /* the answer of LEASE_PUT is awaited */
    LEASE_ENDED,   /* nothing any more */
};
enum lease_role {
    LEASE_STANDBY, /* no record of ours counts */
    LEASE_TAKEN,   /* the last record seems to be ours; not proven yet */
    LEASE_ACTIVE,  /* it was proven, and nobody else's was seen since */
};
enum lease_news { LEASE_NO_NEWS, LEASE_NEWS_GAINED, LEASE_NEWS_RESUMED, LEASE_NEWS_LOST };

struct lease {
    char instance[LEASE_INSTANCE_MAX + 1]; /* immutable */
    uint64_t ttl_ms;                       /* immutable */
    enum lease_state state;
    enum lease_role role;
    bool holds; /* from GAINED to LOST: the caller has work in hand */
    enum lease_news news;
    bool releasing, release_tried;
    uint64_t at_ms;      /* LOOK, WRITE */
    uint64_t expect;     /* stream sequence of the last record, as far as known; 0: none */
    uint64_t term;       /* the highest one seen or used */
    uint64_t write;      /* of our last record */
    bool unanswered;     /* our last write: stored or not */
    uint64_t sent_ms;    /* our last write */
    uint64_t valid_ms;   /* TAKEN, ACTIVE: the lease holds until then */
    uint64_t settled_ms; /* TAKEN */
    unsigned failures;   /* in a row */
    /* STANDBY: what is watched */
    bool watching;
    uint64_t watched_seq, watched_since_ms, watched_ttl_ms;
};

/* `instance` as in a record: random, of this process. `ttl_ms`: 1..LEASE_TTL_MAX_MS. */
void lease_init(struct lease *lease, const char *instance, uint64_t ttl_ms);

enum lease_action_kind {
    LEASE_NOTHING, /* an answer must come first */
    LEASE_WAIT,    /* call lease_next() again at `until_ms` */
    LEASE_READ,    /* read the last record, then lease_on_last() */
    LEASE_PUT,     /* store a record of ours, fenced by `expect_last`, then lease_on_put() */
    LEASE_GAINED,  /* this relay works from now on, with nothing in hand */
    LEASE_RESUMED, /* after a pause in which nobody else worked: it goes on */
    LEASE_LOST,    /* another relay works: what is in hand is its */
};
struct lease_action {
    enum lease_action_kind kind;
    uint64_t until_ms;    /* WAIT */
    uint64_t expect_last; /* PUT */
    uint64_t term, write; /* PUT */
    bool released;        /* PUT */
};
/* The next thing to do; call until it is NOTHING or WAIT. */
struct lease_action lease_next(struct lease *lease, uint64_t now_ms);

enum lease_last_kind {
    LEASE_LAST_FOUND,
    LEASE_LAST_NONE,
    LEASE_LAST_UNREADABLE, /* a record of a newer release, or not one: another's */
    LEASE_LAST_UNAVAILABLE /* nobody answered */
};
struct lease_last {
    enum lease_last_kind kind;
    uint64_t stream_seq;        /* FOUND, UNREADABLE */
    struct lease_record record; /* FOUND */
};
/* In LEASE_LOOKING only. `jitter`: any random number. */
void lease_on_last(struct lease *lease, const struct lease_last *last, uint64_t now_ms, uint32_t jitter);

enum lease_put_status {
    LEASE_PUT_STORED,
    LEASE_PUT_FENCED, /* another record was the last one: nothing stored */
    LEASE_PUT_UNKNOWN,
    LEASE_PUT_FAILED, /* certainly not stored */
};
/* In LEASE_WRITING only. `stream_seq`: of STORED. */
void lease_on_put(struct lease *lease, enum lease_put_status status, uint64_t stream_seq, uint64_t now_ms,
                  uint32_t jitter);

/* Gives the lease up when it is ours; nothing may be in hand any more. The end is LEASE_ENDED. */
void lease_release(struct lease *lease, uint64_t now_ms);

/* Whether this relay may store and read until `lease_valid_until()`: to be checked with a fresh clock right
 * before each store. 0 when it may not. */
uint64_t lease_valid_until(const struct lease *lease);
static inline bool lease_may_work(const struct lease *lease, uint64_t now_ms)
{
    return now_ms < lease_valid_until(lease);
}

/* What must hold between any two calls. */
bool lease_is_consistent(const struct lease *lease);

/* The times that follow from `ttl_ms`. */
uint64_t lease_margin_ms(uint64_t ttl_ms); /* taken off the holder's validity */
uint64_t lease_settle_ms(uint64_t ttl_ms); /* longer than a round of replication */
uint64_t lease_renew_ms(uint64_t ttl_ms);  /* between two renewals */
uint64_t lease_look_ms(uint64_t ttl_ms);   /* between two looks of a watcher */

#endif
