/* `roomcast top`: a cluster seen from outside, by the heartbeats of its processes, as NATS
 * or some of their admin listeners tell them.
 *
 * Thread: the main one, once, with no other thread started yet; it starts others and joins them. */
#ifndef ROOMCAST_TOP_TOP_H
#define ROOMCAST_TOP_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus_nats_access;

#define TOP_INTERVAL_MAX_S 60

enum top_order { TOP_BY_NAME, TOP_BY_CONNECTIONS, TOP_BY_CPU };

#define TOP_ADMINS_MAX 64

/* An admin listener. */
struct top_address {
    char host[256];
    uint16_t port;
};

struct top_options {
    /* Whose GET /cluster is asked; none: the beats are heard on NATS. Borrowed, as all that follows. */
    const struct top_address *admins;
    size_t admins_count; /* at most TOP_ADMINS_MAX */
    const char *const *nats_urls;
    size_t nats_urls_count;
    const struct bus_nats_access *nats_access; /* NULL: none */
    const char *prefix;                        /* of the subjects */
    const char *stream;
    unsigned shards;     /* of it */
    unsigned interval_s; /* between two looks, 1..TOP_INTERVAL_MAX_S */
    enum top_order order;
    bool as_json; /* a line for each look; else a table: in place on a terminal, one below the other elsewhere
                   */
    bool once;    /* one look, when everybody has been heard for long enough, or 10 s are over */
};

/* Until a key or a signal ends it, or after the one look. Returns the exit status: 0; 1 when the one look saw
 * nobody, or nothing can be shown any more; 2 when a NATS URL cannot be understood. */
int top_run(const struct top_options *options);

#endif
