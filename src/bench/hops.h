/* Where the time of an event goes on its way through Redis, the relay, NATS and the node: five moments of
 * each event, by one clock, and what lies between them.
 *
 *   sent --xadd--> added --relay--> on NATS --node--> first receipt --fan-out--> median, last receipt
 *
 * Knows nothing of sockets and servers.   Thread: hops_sent, hops_added, hops_clear, hops_settle and
 * hops_report the one that publishes; hops_on_bus and hops_received any. A moment that is noticed late by its
 * thread, and so seems to be before the one that leads to it, counts as one with it. */
#ifndef ROOMCAST_BENCH_HOPS_H
#define ROOMCAST_BENCH_HOPS_H

#include <stdatomic.h>

#include <roomcast/base/err.h>

#include "histogram.h"
#include "marker.h"
#include "report.h"

enum hop {
    HOP_XADD,          /* Redis took the event: one round trip */
    HOP_RELAY,         /* the relay read it, NATS stored it and published it again */
    HOP_NODE,          /* until the first member had it */
    HOP_BROKER,        /* the two before as one: all but Redis's answer and the sends to the other members */
    HOP_FANOUT_MEDIAN, /* from the first member to the one in the middle */
    HOP_FANOUT,        /* from the first member to the last */
    HOP_TOTAL,         /* from before XADD to the last member */
    HOPS_COUNT
};

struct hops_event {
    uint64_t sent_ns; /* publishing thread only; 0: the place is free */
    uint64_t added_ns;
    _Atomic uint64_t key; /* room and number */
    _Atomic uint64_t on_bus_ns, first_ns, median_ns, last_ns;
    _Atomic uint32_t received;
};

#define HOPS_EVENTS 16384 /* that may be under way at a time */

struct hops {
    uint32_t rooms, members;
    struct histogram times[HOPS_COUNT];
    uint64_t sums_ns[HOPS_COUNT];
    uint64_t incomplete; /* events of which a moment is not known */
    struct hops_event events[HOPS_EVENTS];
};

/* ERR_NO_MEMORY. */
enum err hops_new(uint32_t rooms, uint32_t members, struct hops **ret_hops) MUST_CHECK;
/* Accepts NULL, nulls. */
void hops_free(struct hops **hops);

/* Just before the event leaves. What had its place before is settled. */
void hops_sent(struct hops *hops, const struct marker *event, uint64_t now_ns);
void hops_added(struct hops *hops, const struct marker *event, uint64_t now_ns);
void hops_on_bus(struct hops *hops, const struct marker *event, uint64_t now_ns);
/* Once per member. */
void hops_received(struct hops *hops, const struct marker *event, uint64_t now_ns);

/* Forgets everything; nothing may be under way. */
void hops_clear(struct hops *hops);
/* Takes all events into the times; nothing may be under way that is still to count. */
void hops_settle(struct hops *hops);
/* Of each hop p50, p99, the greatest, and its share of the whole. */
void hops_report(const struct hops *hops, struct report *report);

#endif
