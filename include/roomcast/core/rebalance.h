/* Whether this node holds too many of the deployment's connections, and how many to send away now.
 *
 * Every node decides for itself, from its own count and the others' beats (core/membership.h): what it holds
 * above the common mean is the only thing it ever gives away, and all excesses together are all deficits
 * together, so nobody has to agree with anybody.
 *
 *            above threshold x mean, by 8 or more
 *     IDLE -------------------------------------> SHEDDING   closes some each second
 *       ^                                            |
 *       +--------------------------------------------+
 *            at the target: mean x (1 + (threshold - 1) / 8), or mean + 2
 *
 * Between the two lies nothing, so that a node does not swing around one line. It gives up, for 1 minute and
 * then for up to 32, when those that it closes come back to it: a load balancer that always chooses the same
 * node cannot be helped.
 *
 * Thread: its owner's.   Pure: `now_ms` is monotonic and given. */
#ifndef ROOMCAST_CORE_REBALANCE_H
#define ROOMCAST_CORE_REBALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/core/membership.h>

#define REBALANCE_RECENT 64 /* seconds of own closes that are remembered */

struct rebalance_rules {
    uint64_t threshold;  /* thousandths: 1200 is 1.2 times the mean */
    uint64_t per_minute; /* connections closed at most; 0 turns it off */
    uint64_t quiet_ms; /* how long the set of nodes must not have changed; at least three beats in any case */
};

struct rebalance {
    struct rebalance_rules rules;
    bool shedding;
    uint64_t mean, target; /* connections in thousandths, as last seen; 0: cannot be told now */

    /* what only rebalance.c looks at */
    uint64_t step_ms;                  /* of the last step; 0: none yet */
    uint64_t tokens;                   /* closes that the rate allows now, times 60000 */
    uint64_t shed_total;               /* at the last step */
    uint64_t recent[REBALANCE_RECENT]; /* connections closed in each of the last steps, a ring */
    unsigned recent_at;
    uint64_t counted_mean;      /* without the clients that may be on their way */
    uint64_t watch_shed;        /* from which shed_total on the effect is watched */
    uint64_t watch_connections; /* and how many there were then */
    uint64_t probe_ms;          /* when it is judged, at the earliest */
    uint64_t pause_ms;          /* of the last pause; 0: none since the nodes last changed */
    uint64_t paused_until_ms;
};

void rebalance_init(struct rebalance *rebalance, const struct rebalance_rules *rules);

/* What this node knows of itself. */
struct rebalance_self {
    uint64_t connections; /* now */
    uint64_t shed_total;  /* closed because of rebalancing, since the start */
    bool serving;         /* takes clients, and NATS is reached */
};

/* After each REBALANCE_STARTED comes one of those below it. */
enum rebalance_event {
    REBALANCE_NOTHING,
    REBALANCE_STARTED,
    REBALANCE_DONE,
    REBALANCE_FUTILE,
    REBALANCE_INTERRUPTED, /* the set of nodes has changed, or this one does not serve: to begin anew */
};

struct rebalance_step {
    uint64_t count; /* connections to send away now */
    enum rebalance_event event;
};

/* To be called at least once a second; between full seconds it does nothing. Closes nothing, and forgets that
 * it was about to, unless this node serves, there is another node, and the set of nodes has been calm
 * (membership_quiet_ms) for long enough: a rolling restart is never disturbed. Waits while a beat of somebody
 * is overdue. */
struct rebalance_step rebalance_run(struct rebalance *rebalance, const struct membership *membership,
                                    const struct rebalance_self *self, uint64_t now_ms);

#endif
