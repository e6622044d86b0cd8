/* clang-format off */
/* The NATS bus (nats.c 3.4.1), seen from inside.
 *
 *   bus_nats.c                making and freeing, the keeper's loop, signals, elections
 *   bus_nats_link.c           the connection: its states, opening, giving up, callbacks of the library
 *   bus_nats_subscriptions.c  attaching to the connection, the end of a subscription
 *   bus_nats_spent.c          received messages on their way back to the library
 *   bus_nats_store.c          store, get and ask: requests over one inbox subscription
 *   bus_nats_requests.c       which requests wait for an answer
 *   bus_nats_stream.c         the stream's shape
 *   bus_nats_url.c            what a server's URL may be
 *   bus_nats_seal.c           sealing what goes out, opening what comes in
 *   bus_nats_access.c         TLS, and who we are to the servers
 *
 * Threads: the callers'; the library's (one delivers messages, one runs connection callbacks); the keeper of
 * each bus, which alone opens and closes the connection, ends subscriptions and reports events; and the one of
 * bus_nats_requests.c.
 *
 * nats.c keeps the connection and its subscriptions alive by itself, but not always: it closes a connection
 * for good when a server refuses the credentials twice, or on any -ERR it does not know ("maximum connections
 * exceeded"). Then the keeper opens another one and attaches every subscription to it.
 *
 *         open              connected             all attached
 *   NONE ------> OPENING --------------> CONNECTED ----------> UP
 *    ^             |  |                   ^     |               |
 *    |             |  | not yet  connected|     | lost          | lost
 *    |             |  +--------> CONNECTING <---+---------------+
 *    | cannot      |              |       (nats.c tries again, for ever)
 *    +-------------+              | given up, or closed; from every other state too
 *    +----------- CLOSED <--------+
 *       all its callbacks have ended, it is destroyed */
/* clang-format on */
#ifndef ROOMCAST_IO_BUS_NATS_H
#define ROOMCAST_IO_BUS_NATS_H

#include <pthread.h>

#include <nats/nats.h>

#include "bus_adapter.h"
#include "bus_nats_requests.h"
#include "bus_shards.h"

enum link_state {
    LINK_NONE,       /* there is no connection object */
    LINK_OPENING,    /* the keeper is inside natsConnection_Connect */
    LINK_CONNECTING, /* nats.c tries to connect */
    LINK_CONNECTED,  /* subscriptions made meanwhile have to be attached */
    LINK_UP,         /* open for everybody */
    LINK_CLOSED,     /* nats.c has given this connection up */
};

enum subscription_state {
    SUBSCRIPTION_WAITING,   /* for a connection */
    SUBSCRIPTION_ATTACHING, /* a thread is inside natsConnection_Subscribe */
    SUBSCRIPTION_ATTACHED,
    SUBSCRIPTION_ENDING,    /* the user is done with it; the keeper has to unsubscribe */
    SUBSCRIPTION_UNFLUSHED, /* unsubscribed; the reading thread may still hold the library's object */
    SUBSCRIPTION_FLUSHED,   /* the library's object is destroyed; its last callback is awaited */
};

struct bus_subscription {
    struct bus_nats *bus;                 /* immutable */
    bus_receive receive;                  /* immutable */
    void *context;                        /* immutable */
    bool is_live;                         /* immutable; to messages that the server republishes */
    enum subscription_state state;        /* under the bus's lock, as all below */
    bool unwanted;                        /* ATTACHING: unsubscribed meanwhile */
    bool complete;                        /* the library makes no callback for `wire` any more */
    natsSubscription *wire;               /* owned; NULL unless attached */
    void (*released)(void *context);      /* still to be called; NULL when not */
    struct bus_subscription *prev, *next; /* in the list of its state; none while FLUSHED */
    char subject[];                       /* immutable */
};

#define INBOX_RANDOM 22

/* Of a user nkey: 'U', 55 characters, NUL. */
#define NATS_PUBLIC_KEY_SIZE 57

struct bus_nats {
    struct bus base;

    /* immutable after bus_nats_new */
    char **urls;
    int urls_count;
    char *name, *prefix;
    struct bus_shards shards;
    bool secure;                           /* TLS on every connection, never without */
    const struct bus_nats_access *access;  /* borrowed; NULL: none */
    char public_key[NATS_PUBLIC_KEY_SIZE]; /* of access->nkey_seed_file; "" without */
    bool send_at_once;
    char inbox[BUS_INBOX_MAX + 1 + INBOX_RANDOM + 1]; /* "_INBOX.<random>" */
    struct bus_callbacks callbacks;
    pthread_t keeper;
    struct requests requests;

    /* keeper only */
    bool reported_up;
    uint64_t open_at_ms;  /* LINK_NONE: not before */
    uint64_t flush_at_ms; /* after a failed flush: not before */

    pthread_mutex_t lock;
    pthread_cond_t work;    /* the keeper: `kicked` */
    pthread_cond_t settled; /* the keeper, closing: `users`, `wires`, `state` */

    /* under lock */
    enum link_state state;
    natsConnection *connection; /* replaced by the keeper only, when `users` is 0 */
    size_t users;               /* calls that are using `connection` */
    size_t wires;               /* attached, their last callback has not ended */
    bool lost;                  /* LINK_UP was left, to be reported */
    bool dropped;               /* messages were dropped, to be reported */
    bus_shard_set elected;      /* these streams have a new leader, to be reported */
    bool stopping;
    bool kicked;
    struct bus_subscription *waiting, *attached, *ending, *unflushed; /* utlists, owned */
    struct bus_subscription *inbox_subscription;                      /* in one of them, as are ... */
    struct nats_elections {
        struct bus_nats *bus;
        struct bus_subscription *subscription;
    } elections[BUS_SHARDS_MAX]; /* ... those to what is told of each stream's leader */
    size_t ending_count;
    uint64_t ending_since_ms;
};

/* A message as it is handed on: the library's own, and the view of it. */
struct nats_message {
    struct bus_message base; /* first */
    natsMsg *msg;            /* owned */
};

/* Makes the keeper look at everything again. */
void bus_nats_kick_locked(struct bus_nats *bus);

/* --- bus_nats_seal.c --- */

/* The data as it goes out: `data` itself, or in `store`, which the caller has to buffer_fini(). False: out of
 * memory. */
bool bus_nats_seal(const struct bus_nats *bus, const char *subject, struct slice *data, struct buffer *store);
/* The data as it came in. False: to be dropped. */
bool bus_nats_open(const struct bus_nats *bus, struct slice subject, struct slice *data);

/* --- bus_nats_url.c --- */

/* ERR_CONFIG: `problem` (BUS_PROBLEM_SIZE) says why, without user and password. */
enum err bus_nats_url_check(const char *url, bool *ret_secure, char *problem) MUST_CHECK;

/* --- bus_nats_access.c --- */

/* Reads what has to be read once. ERR_CONFIG: `problem` (BUS_PROBLEM_SIZE) says what cannot be used. */
enum err bus_nats_access_check(struct bus_nats *bus, char *problem) MUST_CHECK;
natsStatus bus_nats_access_apply(natsOptions *options, const struct bus_nats *bus);
/* The public key of a seed as `nk -gen user` writes it: "SU" and 56 more characters. ERR_SYNTAX. */
enum err bus_nats_public_key(const char *seed, size_t len, char *public_key) MUST_CHECK;
/* Whether the text of a credentials file has a JWT and a user's seed in it. ERR_SYNTAX. */
enum err bus_nats_credentials_check(const char *text) MUST_CHECK;

/* --- bus_nats_link.c --- */

/* The connection while it is up, until link_put(); NULL otherwise. */
natsConnection *link_get(struct bus_nats *bus);
void link_put(struct bus_nats *bus);
/* Keeper: LINK_NONE to OPENING and on. Blocks while it tries every server once. */
void link_open(struct bus_nats *bus);
/* Keeper: ends with LINK_NONE, all subscriptions waiting, no library callback running or to come. */
void link_close(struct bus_nats *bus);
/* Keeper: LINK_CONNECTED to UP, unless subscriptions wait. */
void link_finish(struct bus_nats *bus);
/* For the log: what the library answered. */
const char *nats_status_text(natsStatus status);

/* --- bus_nats_subscriptions.c --- */

enum err nats_subscribe(struct bus *base, const char *subject, bus_receive receive, void *context,
                        struct bus_subscription **ret_subscription) MUST_CHECK;
void nats_unsubscribe(struct bus *base, struct bus_subscription *subscription,
                      void (*released)(void *context));
/* Keeper: attaches what waits. */
void subscriptions_attach(struct bus_nats *bus);
/* Keeper: unsubscribes in batches, flushes, destroys. */
void subscriptions_reap(struct bus_nats *bus, uint64_t now_ms);
/* When subscriptions_reap() has to be called next. */
uint64_t subscriptions_reap_at_locked(const struct bus_nats *bus);
/* Keeper, closed connection: gives the library's objects back. */
void subscriptions_detach(struct bus_nats *bus);
/* Keeper, at the end. */
void subscriptions_free(struct bus_nats *bus);

/* --- bus_nats_spent.c --- */

/* In place of natsMsg_Destroy(): takes ownership. From any thread; 64 KiB are held back at most. */
void nats_message_spent(natsMsg *message);

/* --- bus_nats_store.c --- */

void nats_store(struct bus *base, const struct bus_store_request *request, bus_store_done done,
                void *context);
void nats_get(struct bus *base, const struct bus_get_request *what, bus_last_done done, void *context);
void nats_ask(struct bus *base, const char *subject, struct slice data, uint64_t timeout_ms,
              bus_ask_done done, void *context);
/* Messages of the inbox subscription. */
void nats_on_answer(void *context, struct bus_message *message);

/* --- bus_nats_stream.c --- */

enum err nats_ensure_stream(struct bus *base, const struct bus_stream_options *options,
                            char *problem) MUST_CHECK;

#endif
