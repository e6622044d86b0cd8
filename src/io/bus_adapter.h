/* What a bus adapter provides: the head of its own struct, and one function per row of bus.h, with the
 * contract written there. bus.c checks the arguments and dispatches. */
#ifndef ROOMCAST_IO_BUS_ADAPTER_H
#define ROOMCAST_IO_BUS_ADAPTER_H

#include <roomcast/io/bus.h>

/* Which stored message of an event subject is asked for. */
enum bus_get_kind {
    BUS_GET_LAST,      /* bus_last() */
    BUS_GET_NEXT,      /* bus_next(): the first one behind `seq` */
    BUS_GET_AT_ANY,    /* bus_read(): the one at `seq`, from any copy */
    BUS_GET_AT_LEADER, /* the same from the leader's */
    BUS_GET_EXTENT,    /* bus_ask_extent(): no message, and the subject is empty */
};
struct bus_get_request {
    enum bus_get_kind kind;
    const char *subject; /* copied before the call returns */
    unsigned shard;      /* whose stream holds it */
    uint64_t seq;        /* not for BUS_GET_LAST */
    uint64_t timeout_ms;
};

struct bus_ops {
    /* The last token of `subject` may be "*": bus_subscribe_below(). */
    enum err (*subscribe)(struct bus *bus, const char *subject, bus_receive receive, void *context,
                          struct bus_subscription **ret_subscription);
    void (*unsubscribe)(struct bus *bus, struct bus_subscription *subscription,
                        void (*released)(void *context));
    enum err (*publish)(struct bus *bus, const char *subject, struct slice data);
    void (*ask)(struct bus *bus, const char *subject, struct slice data, uint64_t timeout_ms,
                bus_ask_done done, void *context);
    void (*store)(struct bus *bus, const struct bus_store_request *request, bus_store_done done,
                  void *context);
    void (*get)(struct bus *bus, const struct bus_get_request *request, bus_last_done done, void *context);
    enum err (*ensure_stream)(struct bus *bus, const struct bus_stream_options *options, char *problem);
    bool (*is_up)(struct bus *bus);
    void (*free)(struct bus *bus);
};

struct bus_shards;

/* First in the adapter's struct. */
struct bus {
    const struct bus_ops *ops;
    const struct bus_shards *shards; /* borrowed from the adapter */
};

/* What bus.h calls a subject: a message's reply may be anything. */
bool bus_is_subject(const char *subject);

#define BUS_PROBLEM_SIZE 256 /* bytes of the `problem` arguments of bus.h */

#endif
