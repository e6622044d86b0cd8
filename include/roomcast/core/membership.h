/* Who else is there: the processes of a deployment, by the beats that they send each other
 * (wire/heartbeat.h).
 *
 * Nobody is declared dead on the word of this process's clock alone. Time counts against the others only
 * while this process hears its own beats come back (the proven clock): a process that was cut off from NATS
 * or stopped, or whose NATS was away as a whole, loses no time, and nobody seems to have died meanwhile. An
 * isolated NATS server that still answers this process does let the others seem dead; they join again when
 * it is back.
 *
 * Owns: its entries, at most MEMBERS_MAX.   Thread: its owner's.   Pure: `now_ms` is monotonic and given. */
#ifndef ROOMCAST_CORE_MEMBERSHIP_H
#define ROOMCAST_CORE_MEMBERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/wire/heartbeat.h>

#define MEMBERS_MAX 256

/* One other process; never this one itself. */
struct member {
    struct heartbeat beat; /* the last one */
    uint64_t heard_ms;     /* when it came, monotonic */
    uint64_t heard_at_ms;  /* the same on the proven clock */
    uint64_t shed;         /* connections it closed by rebalancing between its last two beats */
    struct member *prev, *next;
};

struct membership {
    char own[HEARTBEAT_INSTANCE_MAX + 1];
    uint64_t interval_ms; /* of the own beats */
    struct member *members;
    size_t count;
    uint64_t proven_ms;    /* the proven clock at the last own beat heard */
    uint64_t own_heard_ms; /* when that was, monotonic */
    uint64_t own_number;   /* of that beat; 0: none was heard yet */
    uint64_t disturbed_ms; /* see membership_quiet_ms */
};

enum membership_change {
    MEMBERSHIP_NOTHING, /* a beat older than one that was heard, or the last one of a stranger */
    MEMBERSHIP_OWN,     /* this process's own beat came back */
    MEMBERSHIP_JOINED,
    MEMBERSHIP_UPDATED,
    MEMBERSHIP_LEFT,    /* it said so */
    MEMBERSHIP_REFUSED, /* MEMBERS_MAX are there, or no memory */
};

/* `own_instance` is copied. `interval_ms`: between own beats, which are to be sent at most 1.5 times that
 * apart (and 100 ms); a longer silence counts as no time at all. */
void membership_init(struct membership *membership, const char *own_instance, uint64_t interval_ms,
                     uint64_t now_ms);
void membership_fini(struct membership *membership);

/* Takes in a beat. With LEFT the entry is gone already. */
enum membership_change membership_hear(struct membership *membership, const struct heartbeat *beat,
                                       uint64_t now_ms);

typedef void membership_visit(void *context, const struct member *member);

/* Takes out everybody who was silent for more than three intervals (the longer of both sides', and 100 ms) of
 * proven time; `visit` is called for each before it is freed, and must not change the membership. A process
 * that dies is found out within three of its intervals. */
void membership_expire(struct membership *membership, uint64_t now_ms, membership_visit *visit,
                       void *context);

/* All members; `visit` must not change the membership. */
void membership_each(const struct membership *membership, membership_visit *visit, void *context);

/* How many nodes there are, without this process; relays are not counted. */
size_t membership_nodes(const struct membership *membership);

/* Connections of these nodes, by their last beats: of those that drain too, for their clients will want a
 * place at the others, and of one that died until it is found out. */
uint64_t membership_connections(const struct membership *membership);

/* For how long the set of nodes has been calm: nobody joined, left or expired, everybody (this process too,
 * by its own beats) is SERVING, and this process heard itself all the time. */
uint64_t membership_quiet_ms(const struct membership *membership, uint64_t now_ms);

#endif
