/* The bus between relay and nodes, as the rest of the program sees it: NATS with JetStream (bus_nats), or the
 * same inside one process (bus_memory). One contract suite, tests/contract/, runs over both.
 *
 * It has three parts:
 *
 *   store    the relay stores an event under a subject, once per message id, fenced by the subject's last
 *            sequence
 *   live     what was stored on <prefix>.ev.<rest> arrives on <prefix>.live.<rest>, at most once, in order of
 *            its subject
 *   signals  published directly, at most once, never stored; a question is one whose answer comes back
 *
 * What is stored may be spread over several streams, called shards here: each subject has one, by its hash
 * (src/io/bus_shards.h), and each shard numbers what it holds by itself, from 1. Who stores or reads need not
 * know; only sequences of different subjects must not be compared.
 *
 * Subjects are plain: printable ASCII without spaces, wildcards and empty tokens. Others are a bug
 * (asserted).
 *
 * Thread: every function may be called from any thread and never blocks longer than a queue lock takes,
 * unless it says so; over NATS, while a server takes nothing and the socket is full, for 2 s at most, then
 * the connection counts as lost. Callbacks run on a thread of the bus, one at a time per subscription; they
 * must not block: hand the work to an inbox. */
#ifndef ROOMCAST_IO_BUS_H
#define ROOMCAST_IO_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/inbox.h>
#include <roomcast/base/slice.h>

struct bus;

/* One message from a subscription. The receiver owns it and calls bus_message_free, on any thread. */
struct bus_message {
    struct inbox_item item; /* for the receiver's inbox */
    void *context;          /* as given to bus_subscribe */
    struct slice subject;   /* borrowed from the message */
    struct slice data;      /* borrowed from the message */
    const char *reply;   /* borrowed from the message: bus_publish() to it answers a bus_ask(); else NULL */
    uint64_t stream_seq; /* where the stream holds it; 0 for a signal. A locator, not truth */
    void (*free)(struct bus_message *message); /* the adapter's */
};
void bus_message_free(struct bus_message **message);

enum bus_event {
    BUS_EVENT_UP,      /* connected, or connected again: messages may have been missed in between */
    BUS_EVENT_DOWN,    /* the connection is lost; the adapter tries again by itself, for ever */
    BUS_EVENT_DROPPED, /* messages of a subscription that was not read fast enough were dropped */
};
#define BUS_SHARDS_MAX 64
/* A set of shards: bit 0 is shard 0. */
typedef uint64_t bus_shard_set;
/* `on_event` is called on a thread of the bus, one event at a time; several DROPPED in a row may be told as
 * one. BUS_EVENT_UP comes after all subscriptions have been sent again; also once at the start.
 * `on_elected`, on the same thread: these streams have a new leader, and what they had stored and not yet
 * republished may never arrive live. It is a message of the server's like any other: while the connection is
 * down none comes. Either may be NULL. */
struct bus_callbacks {
    void (*on_event)(void *context, enum bus_event event);
    void *context;
    void (*on_elected)(void *context, const struct bus *bus, bus_shard_set shards);
};

/* --- subscriptions --- */

struct bus_subscription;
typedef void (*bus_receive)(void *context, struct bus_message *message); /* takes ownership */

/* `subject` without wildcards. Takes effect in the order of calls, also relative to bus_last(): a message
 * stored after the answer of a later bus_last() is delivered (while the connection holds). Survives
 * reconnects. ERR_NO_MEMORY; ERR_BUSY when closed. */
enum err bus_subscribe(struct bus *bus, const char *subject, bus_receive receive, void *context,
                       struct bus_subscription **ret_subscription) MUST_CHECK;
/* The same of all subjects that have one token more than `subject`. */
enum err bus_subscribe_below(struct bus *bus, const char *subject, bus_receive receive, void *context,
                             struct bus_subscription **ret_subscription) MUST_CHECK;
/* Ends it and nulls the pointer. Messages already on their way may still be delivered, with the old context,
 * for a moment: `released`, if not NULL, is called on a bus thread when none can come any more. */
void bus_unsubscribe(struct bus *bus, struct bus_subscription **subscription,
                     void (*released)(void *context));

/* A signal: at most once, dropped while the connection is down (ERR_UNAVAILABLE). ERR_TOO_BIG: beyond the
 * server's limit. On an event subject of NATS its stream takes the message, and nobody is told whether: for
 * who makes load. */
enum err bus_publish(struct bus *bus, const char *subject, struct slice data) MUST_CHECK;

/* --- questions --- */

enum bus_answer_status {
    BUS_ANSWER_GIVEN,  /* `data` */
    BUS_ANSWER_NOBODY, /* nobody subscribes to the subject; told at once */
    BUS_ANSWER_NONE,   /* no connection, or no answer in time */
};
struct bus_answer {
    enum bus_answer_status status;
    struct slice data;   /* GIVEN; borrowed for the call */
    const char *problem; /* not GIVEN: for the log, never NULL then */
};
typedef void (*bus_ask_done)(void *context, const struct bus_answer *answer);

/* A signal to whoever subscribes to `subject`, and the first answer to it. `data` is copied before the call
 * returns. `done` as in bus_store; what is answered later than that goes nowhere. */
void bus_ask(struct bus *bus, const char *subject, struct slice data, uint64_t timeout_ms, bus_ask_done done,
             void *context);

/* --- the store --- */

enum bus_store_status {
    BUS_STORED,      /* durable; `stream_seq` tells where */
    BUS_DUPLICATE,   /* this message id was stored before: nothing was stored now */
    BUS_FENCED,      /* the subject's last sequence is not `expect_last`: nothing was stored */
    BUS_UNKNOWN,     /* no answer in time, or none that tells: it may or may not be stored; ask bus_last */
    BUS_UNAVAILABLE, /* it was certainly not stored: no connection, no stream, no leader */
    BUS_REFUSED,     /* the server will never take this message: it is too large */
};
struct bus_store_result {
    enum bus_store_status status;
    uint64_t stream_seq; /* BUS_STORED, BUS_DUPLICATE */
    const char *problem; /* borrowed for the call; for the log, never NULL */
};
typedef void (*bus_store_done)(void *context, const struct bus_store_result *result);

struct bus_store_request {
    const char *subject;    /* <prefix>.ev.... */
    const char *message_id; /* Nats-Msg-Id: printable ASCII */
    uint64_t expect_last;   /* stream sequence of the subject's last message; 0: it has none */
    struct slice data;      /* copied before the call returns */
    uint64_t timeout_ms;
};
/* `done` is called exactly once, always from a bus thread (from the caller's only when memory is out), at the
 * latest `timeout_ms` after the call (and a little), or when the bus is closed.
 *
 * A known id with an expectation that is no longer right may be BUS_DUPLICATE or BUS_FENCED: nats-server
 * checks the id first when the stream has one replica, the expectation first when it has several. The fence
 * is not tight on a stream with several replicas before nats-server 2.10: two stores with the same
 * expectation above 0 that arrive within one round of replication may both pass, because the leader checks it
 * before it proposes, and not again (server/jetstream_cluster.go, processClusteredInboundMsg). */
void bus_store(struct bus *bus, const struct bus_store_request *request, bus_store_done done, void *context);

enum bus_last_status { BUS_LAST_FOUND, BUS_LAST_NONE, BUS_LAST_UNAVAILABLE };
/* What a stream holds, of all subjects: everything that was stored from `first_seq` on, but for what each
 * subject's own limit has taken away. */
struct bus_extent {
    uint64_t first_seq, last_seq; /* last_seq 0: nothing was ever stored */
    uint64_t created_s;           /* when the stream was made, Unix seconds */
    bool has_quorum; /* the leader has heard of enough of its followers lately; else it may not lead any more
                      */
};
struct bus_last_result {
    enum bus_last_status status;
    uint64_t stream_seq;      /* FOUND */
    struct slice data;        /* FOUND; borrowed for the call */
    struct bus_extent extent; /* bus_ask_extent(): FOUND */
    bool is_no_stream;        /* bus_ask_extent(), UNAVAILABLE: there is no stream of that name */
};
typedef void (*bus_last_done)(void *context, const struct bus_last_result *result);
/* The last stored message of an event subject, from the stream's leader, never from a replica. NONE only when
 * the leader says so. `done` as in bus_store. */
void bus_last(struct bus *bus, const char *subject, uint64_t timeout_ms, bus_last_done done, void *context);
/* The first stored message of an event subject behind stream sequence `after`, from the leader too. NONE:
 * nothing follows. One by one this reads back what live delivery, which is at most once, has missed. */
void bus_next(struct bus *bus, const char *subject, uint64_t after, uint64_t timeout_ms, bus_last_done done,
              void *context);

enum bus_copy { BUS_ANY_COPY, BUS_LEADER_COPY };
/* The message that the stream holds at sequence `stream_seq`, from 1, when it is one of event subject
 * `subject`. Many may be open at once, answered in any order; nothing is searched for, so this is the fast
 * way to what is known by its sequence.
 *
 * BUS_ANY_COPY: from whichever server answers first, a replica too; its NONE proves nothing (a replica may
 * lag or, after a fault, hold something else): ask the leader then. BUS_LEADER_COPY: from the stream's
 * leader; NONE: the leader has no message of this subject there. nats-server says the same, error 10037, when
 * its store cannot be read at that moment (server/jetstream_api.go, jsMsgGetRequest): who would give the
 * message up for good asks once more. `done` as in bus_store. */
void bus_read(struct bus *bus, const char *subject, uint64_t stream_seq, enum bus_copy copy,
              uint64_t timeout_ms, bus_last_done done, void *context);

/* What the stream of `shard` holds, as its leader says: FOUND with `extent`, or UNAVAILABLE. `done` as in
 * bus_store. */
void bus_ask_extent(struct bus *bus, unsigned shard, uint64_t timeout_ms, bus_last_done done, void *context);

/* How many streams there are, which holds an event subject, and what it is called: for the log, and for who
 * keeps something of each. Fixed for the life of the bus, which the text is borrowed from. */
unsigned bus_shards_count(const struct bus *bus);
unsigned bus_shard(const struct bus *bus, const char *subject);
const char *bus_stream_name(const struct bus *bus, unsigned shard);

struct bus_stream_options {
    bool in_memory; /* else in files; republishing from memory takes quadratic time */
    unsigned replicas;
    uint64_t max_age_s, max_bytes, max_per_subject, dedup_s;
};
/* Blocks for a few seconds at most: not on a loop's thread. Makes the streams that are absent, shard 0 first
 * and each only when those before it are right: of two that want different numbers of streams, one finds its
 * first subjects taken and makes none. ERR_CONFLICT: one exists in another shape, or its subjects are those
 * of another; `problem` (256 bytes) says which stream and setting, what it is and what was wanted; nothing is
 * changed. `max_bytes` is for all streams together. Limits (the options) may be tuned by operators: another
 * value is accepted, with a warning in the log. ERR_CONFIG: the server will not make such a stream, `problem`
 * says why. ERR_UNAVAILABLE or ERR_TIMEOUT: try again later. */
enum err bus_ensure_stream(struct bus *bus, const struct bus_stream_options *options,
                           char *problem) MUST_CHECK;

bool bus_is_up(struct bus *bus);

/* Unsubscribes all, answers what is open with UNAVAILABLE or UNKNOWN, flushes what was published (bounded
 * wait), joins the bus threads: no callback runs any more after it returns. Accepts NULL, nulls. Blocks. */
void bus_free(struct bus **bus);

/* --- making one --- */

/* Seals what goes out and opens what comes in; called from many threads at once. */
struct bus_seal {
    /* Is a message of this subject sealed at all? */
    bool (*covers)(const struct bus_seal *seal, struct slice subject);
    /* Appends the sealed data. */
    void (*put)(const struct bus_seal *seal, struct slice subject, struct slice data, struct buffer *out);
    /* False: it is to be dropped, which has been counted and logged. `*ret_data` lies in `data`, which may be
     * overwritten. */
    bool (*open)(const struct bus_seal *seal, struct slice subject, char *data, size_t len,
                 struct slice *ret_data);
};

/* How to be let in by the servers. NULL or "" where not used; at most one of user with password, token,
 * credentials_file and nkey_seed_file. */
struct bus_nats_access {
    const char *user, *password, *token, *credentials_file, *nkey_seed_file;
    const char *ca_file, *cert_file, *key_file; /* with TLS only; cert_file and key_file both or none */
    /* Of published, stored and received messages whose subject it covers; a stored one that it does not open
     * is as if it were empty. NULL: none. */
    const struct bus_seal *seal;
};

#define BUS_INBOX_MAX 31
struct bus_nats_options {
    const char *const *urls; /* nats:// or tls://[user:password@]host[:port]; one tls:// is TLS for all */
    size_t urls_count;
    const struct bus_nats_access *access; /* NULL: none; has to outlive the bus, with all its strings */
    const char *name;                     /* shown by the server's monitoring */
    const char *prefix;                   /* of all subjects */
    const char *stream;                   /* its name, or what the names of several begin with */
    unsigned shards;                      /* streams, at most BUS_SHARDS_MAX; 0 is 1 */
    const char *inbox; /* first token of where answers go, BUS_INBOX_MAX bytes at most; NULL: "_INBOX" */
    /* Each message leaves by a write of its own, instead of within a millisecond together with what follows
     * it. Worth its system call where somebody waits for single messages, not where thousands of
     * subscriptions come and go. */
    bool send_at_once;
};
/* Returns at once; connects in the background, for ever. ERR_CONFIG: a URL cannot be understood, or a
 * file of `access` cannot be used; `problem` (256 bytes) says which, without a secret. */
enum err bus_nats_new(const struct bus_nats_options *options, const struct bus_callbacks *callbacks,
                      struct bus **ret_bus, char *problem) MUST_CHECK;
/* Whether bus_nats_new() would take them: reads the files, connects to nobody. Its errors. */
enum err bus_nats_check(const struct bus_nats_options *options, char *problem) MUST_CHECK;
/* Ends the threads that the NATS library keeps for the whole process, and waits for them, 5 s at most. Called
 * once no bus and no message of one exists any more, before main() returns: such a thread may still be about
 * to free a TLS connection when bus_free() returns, and exit() takes OpenSSL's locks away under it. Harmless
 * when there never was a bus; bus_nats_new() works again after it. */
void bus_nats_close_library(void);

struct bus_memory_options {
    const char *prefix;
    size_t max_bytes; /* of stored events; the oldest go first */
    unsigned shards;  /* as in bus_nats_options */
};
/* Up from the start. */
enum err bus_memory_new(const struct bus_memory_options *options, const struct bus_callbacks *callbacks,
                        struct bus **ret_bus) MUST_CHECK;

#endif
