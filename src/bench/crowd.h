/* Many WebSocket clients on few threads: epoll, one receive buffer per thread, frames parsed where they were
 * received.
 *
 * A client is opened, upgraded, and joined to its rooms; then every text or binary frame is handed to
 * `on_text`. Clients 0 .. publishers-1 join nothing by themselves and belong to loop 0; the others are the
 * connections of the layout, in order.
 *
 * Thread: each loop and its clients belong to one thread; loop 0 to the one that calls crowd_turn. */
#ifndef ROOMCAST_BENCH_CROWD_H
#define ROOMCAST_BENCH_CROWD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#include "histogram.h"
#include "layout.h"
#include "marker.h"
#include "target.h"

#define CROWD_LOOPS_MAX 16

enum client_state {
    CLIENT_CLOSED,
    CLIENT_CONNECTING, /* waits for TCP */
    CLIENT_SECURING,   /* waits for the end of the TLS handshake */
    CLIENT_UPGRADING,  /* waits for 101 */
    CLIENT_GREETING,   /* waits for the answer to its hello */
    CLIENT_JOINING,    /* waits for `replies_missing` replies */
    CLIENT_READY,
};

struct crowd_client {
    int fd;
    uint32_t replies_missing;
    uint32_t carry_len;        /* bytes of `carry` */
    uint8_t state;             /* enum client_state */
    bool is_deflating;         /* the server may compress */
    char *carry;               /* owned: the beginning of a frame whose rest has not come */
    struct inflater *inflater; /* owned; NULL unless the server takes its context over */
    struct ssl_st *tls;        /* owned; NULL: plain */
    uint64_t opened_ns;        /* when connect was called */
};

/* Warm-up, what the measurement is compared with, and the measurement, so that nothing has to be reset under
 * a running thread. */
enum crowd_phase { CROWD_WARMUP, CROWD_COMPARED, CROWD_MEASURED, CROWD_PHASES };
struct crowd_stats {
    struct histogram latency; /* publication to receipt */
    uint64_t late, duplicates, strays;
    /* of all but publishers: received, frame heads included; messages as before they were compressed */
    uint64_t bytes, message_bytes, deflated_frames;
    uint64_t publisher_deliveries; /* to publishers that have joined a room: the server's work too */
};

struct crowd_loop {
    struct crowd *crowd; /* borrowed */
    uint32_t index;
    pthread_t thread;
    int epoll;
    char *buffer;              /* owned: what recv writes to */
    struct buffer output;      /* scratch */
    struct inflater *inflater; /* owned; NULL until a client needs it */
    struct buffer deflated;    /* what `inflater` inflated last, */
    struct slice inflated;     /* and to what: its own */
    uint32_t first, end;       /* its clients */
    uint32_t next_open;        /* the first that was never opened */
    uint32_t opening;          /* how many are between connect and READY */
    struct marker_hint hint;
    struct histogram *upgraded;              /* owned: connect to 101 */
    struct histogram *opened;                /* owned: connect to READY */
    struct crowd_stats *stats[CROWD_PHASES]; /* owned */
    _Atomic uint64_t deliveries;             /* in all, each event once per member */
    _Atomic uint64_t last_delivery_ns, cpu_ns;
    _Atomic uint32_t ready, failed; /* clients; failed: refused, or closed by the server */
    char problem[160];              /* of the first that failed */
};

typedef void (*crowd_on_text)(struct crowd_loop *loop, uint32_t client, struct slice text, uint64_t now_ns);

struct crowd_options {
    const struct target *target; /* borrowed */
    const struct layout *layout; /* borrowed */
    uint32_t publishers, loops;
    uint32_t publishers_joining; /* of these, the first so many join: publisher i room i % rooms */
    bool only_connect; /* nobody joins anything: READY is to be let in, which roomcast says with `connected`,
                          others with the answer to the hello */
    bool stalls;       /* who is READY reads no more, from a socket that holds little */
    struct place *places; /* borrowed, may be NULL: where each membership resumes from when it joins */
    void (*on_turn)(struct crowd_loop *loop, uint64_t now_ns); /* may be NULL; after each turn */
    uint32_t opening;                                          /* at most so many at a time, of each loop */
    crowd_on_text on_text;
    void *context; /* for on_text: loop->crowd->options.context */
};

struct crowd {
    struct crowd_options options;
    struct crowd_client *clients; /* owned */
    uint32_t count;
    struct crowd_loop loops[CROWD_LOOPS_MAX];
    struct ssl_ctx_st *tls;    /* owned; NULL: plain */
    uint32_t source_addresses; /* more than one beyond the ports of a single one */
    _Atomic uint32_t phase;    /* enum crowd_phase */
    atomic_bool is_stopping;
};

/* Opens nothing yet. ERR_NO_MEMORY, ERR_IO. */
enum err crowd_init(struct crowd *crowd, const struct crowd_options *options) MUST_CHECK;
/* Starts the threads of the other loops. */
enum err crowd_start(struct crowd *crowd) MUST_CHECK;
void crowd_fini(struct crowd *crowd);

/* Turns until all clients are READY. ERR_UNAVAILABLE: one failed, or nothing moves any more; `problem` (256
 * bytes) says which. */
enum err crowd_open_all(struct crowd *crowd, char *problem) MUST_CHECK;
/* Turns for so long. */
void crowd_rest(struct crowd *crowd, double seconds);

/* One turn of loop 0: opens what may be opened, waits up to `wait_ns`, reads what has come, of a bounded
 * number of clients. */
void crowd_turn(struct crowd *crowd, uint64_t wait_ns);

uint32_t crowd_ready(const struct crowd *crowd);
uint32_t crowd_failed(const struct crowd *crowd);
/* Of the first that failed; "" when none has. */
const char *crowd_problem(const struct crowd *crowd);
uint64_t crowd_deliveries(const struct crowd *crowd);
/* Connection number in the layout of a client that is no publisher. */
static inline uint32_t crowd_connection(const struct crowd *crowd, uint32_t client)
{
    return client - crowd->options.publishers;
}

/* Sends all of `bytes` on a client of loop 0, waiting for room in the socket. ERR_UNAVAILABLE: it is closed.
 */
enum err crowd_send(struct crowd *crowd, uint32_t client, struct slice bytes) MUST_CHECK;

static inline struct crowd_stats *crowd_stats(struct crowd_loop *loop)
{
    return loop->stats[atomic_load_explicit(&loop->crowd->phase, memory_order_relaxed)];
}
/* The CPU time that the busiest loop's thread has used since `before` (one value per loop, which is updated).
 */
uint64_t crowd_busiest_ns(struct crowd *crowd, uint64_t before[CROWD_LOOPS_MAX]);
/* All loops' together; the loops must be at rest. */
void crowd_merge(const struct crowd *crowd, enum crowd_phase phase, struct crowd_stats *into);

uint64_t crowd_now_ns(void);

#endif
