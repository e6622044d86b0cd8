/* What the files of source_stream share.   Thread: the source's, unless said otherwise. */
#ifndef ROOMCAST_RELAY_SOURCE_STREAM_INTERNAL_H
#define ROOMCAST_RELAY_SOURCE_STREAM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "backoff.h"
#include "source_stream.h"
#include "stream_table.h"
#include "wakeup.h"

#define STREAM_ACK_BATCH 1000u /* entries acknowledged at once */

struct source_stream {
    struct source_context context; /* immutable */
    struct redis_group group;      /* immutable */
    pthread_t thread;
    bool started;
    struct wakeup wakeup;
    struct inbox finished; /* events that the lanes gave back */
    atomic_bool stopping;
    _Atomic uint64_t deadline_ms;
    /* the source's thread only */
    struct redis_client *client;
    struct backoff backoff;
    struct stream_table table;
    uint64_t tenure;           /* as this thread last saw it; 0: standby */
    bool reading_pending;      /* what this or an earlier relay left unacknowledged comes first */
    char after[REDIS_ID_SIZE]; /* while reading_pending */
    bool halted;               /* nothing is read until the table is empty; then from the first pending one */
    uint64_t reread_ms;        /* when to halt for that reason; 0: no reason */
    struct backoff halt;       /* while memory is short */
    unsigned batch;            /* entries of the next read, at most */
    size_t weight;             /* bytes of an entry, as the last reads had them */
    uint64_t probe_ms;         /* standby: when to ask for Redis */
    char claim_cursor[REDIS_ID_SIZE];
    uint64_t claim_next_ms;
    uint64_t lag_next_ms; /* when to look at the lag again */
    const char *ids[STREAM_ACK_BATCH];
};

/* source_stream.c: the connection, and what is read again. */

/* What was read and could not be taken on stays pending in Redis. What came after it must not pass it:
 * nothing more is read until all that is in hand has come to its end, and then again from the first pending
 * entry. */
void source_stream_halt(struct source_stream *source);
/* The next reads are of what is pending, from the first on; what is in hand is passed over. */
void source_stream_read_pending(struct source_stream *source);
/* For an entry that no order matters for: a halt some time later. */
void source_stream_reread_later(struct source_stream *source);
/* The connection is gone; another is tried for after a while. */
void source_stream_lost(struct source_stream *source);

/* source_stream_settle.c: what has come to its end. */

/* Any thread: relay_event.done. */
void source_stream_on_done(struct relay_event *event);
/* Takes back what the lanes have given to `finished`. */
void source_stream_settle(struct source_stream *source);
/* Writes `text` to the dead letters. */
enum err source_stream_bury(struct source_stream *source, const char *reason, const char *id,
                            struct slice text) MUST_CHECK;
/* Buries what was refused and acknowledges what is finished. False when the connection is gone. */
bool source_stream_flush(struct source_stream *source);

/* source_stream_lag.c: tells how far the relay is behind, every few seconds. False: the connection is gone.
 */
bool source_stream_watch_lag(struct source_stream *source);

/* source_stream_read.c: what comes next. */

/* How many more entries may be taken in. */
unsigned source_stream_room(const struct source_stream *source);
/* Reads up to `count` entries, pending ones first, and gives them to the lanes. May wait for a new one, for
 * less than an eighth of the lease. */
void source_stream_read(struct source_stream *source, unsigned count);

#endif
