/* Publishes domain events as a service would: one, or one for each line of a file.
 *
 * Thread: main; blocks. */
#ifndef ROOMCAST_PUBLISH_PUBLISH_H
#define ROOMCAST_PUBLISH_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <roomcast/base/slice.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/event_map.h>

struct publish_options {
    const char *redis_url, *redis_stream; /* used when there is neither relay_url nor nats */
    const char *relay_url;                /* "http://host:port"; NULL: not by HTTP */
    const struct bus_nats_options *nats;  /* by request to the relay; NULL: not by NATS */
    const char *relay_key;                /* "" for none */
    const char *ca_file;                  /* of an https relay_url; "": the system's authorities */
    const struct event_map *map;
    const char *chat, *user; /* one of them, or NULL both: each event says itself where it goes */
    const char *type;        /* NULL: what is published are whole events */
    const char *event_id;    /* NULL: a new one for each */
    size_t max_event_bytes;
};

enum publish_status {
    PUBLISH_ALL = 0,     /* every event is stored, or in the Redis stream */
    PUBLISH_FAILED = 1,  /* not every one */
    PUBLISH_WRONG = 2,   /* the options or the event are wrong, and nothing was published */
    PUBLISH_SKIPPED = 3, /* none failed, but for some the relay has no row */
};

/* One event, of `data`. Tells what became of it on standard output, and what went wrong on standard error. */
enum publish_status publish_one(const struct publish_options *options, struct slice data);
/* One for each line that is not empty. A wrong one is told, and the next is taken; when the relay or Redis
 * takes no more, or a line is longer than an event may be, it ends. */
enum publish_status publish_lines(const struct publish_options *options, FILE *input);

#endif
