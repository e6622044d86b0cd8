/* The parts of control that its files share. */
#ifndef ROOMCAST_NODE_CONTROL_INTERNAL_H
#define ROOMCAST_NODE_CONTROL_INTERNAL_H

#include <pthread.h>

#include <roomcast/base/cgroup.h>
#include <roomcast/core/membership.h>
#include <roomcast/core/memory_pressure.h>
#include <roomcast/core/rebalance.h>
#include <roomcast/io/loop.h>

#include "control.h"
#include "node_internal.h"

#define CONTROL_TICK_MS 100

/* What the processor time of a beat is measured from. */
struct control_sample {
    uint64_t at_us, cpu_us;
};

/* What is watched of the memory. Its thread only. */
struct control_memory {
    uint64_t max_bytes;         /* 0: there is no ceiling */
    bool is_of_group;           /* the ceiling is that of `group`; otherwise of this process */
    struct cgroup_memory group; /* meaningful when is_of_group */
    enum memory_stage stage;
    uint64_t look_at_ms, shed_at_ms; /* not before */
};

struct control {
    struct node *node; /* borrowed */
    pthread_t thread;  /* runs while `started` */
    bool started;
    struct loop *loop;
    struct loop_wake *wake;
    struct loop_timer *tick;
    struct bus_subscription *beats;
    struct inbox inbox; /* struct bus_message */
    atomic_bool stopping;

    /* its thread only */
    uint64_t now_ms;
    uint64_t next_beat_ms;
    uint64_t number;            /* of the last beat */
    enum node_state told_state; /* in the last beat */
    uint64_t grace_at_ms;       /* when it was looked last whether the bus is up */
    uint64_t cut_ms;            /* how long it has been down */
    unsigned bus_changes_seen;
    struct buffer encoded; /* scratch */
    struct rebalance rebalance;
    uint64_t shed_before; /* shared.rebalanced when it started last */
    struct control_memory memory;

    pthread_mutex_t lock; /* writers: its thread */
    struct membership membership;
    struct control_sample sample;
    uint64_t born_ms;
};

/* control_grace.c: the node's state as far as the bus decides it, and what follows for the clients. */
void control_watch_bus(struct control *control);

/* control_rebalance.c */
void control_begin_rebalance(struct control *control);
/* Sends some clients to other nodes, if that is due. */
void control_run_rebalance(struct control *control);

/* control_memory.c */
void control_begin_memory(struct control *control);
/* Sheds load when memory is short. */
void control_watch_memory(struct control *control);

/* control_measure.c: the numbers of a beat, of this moment, but for `number`. Any thread that holds the lock.
 */
void control_measure(struct control *control, struct heartbeat *beat);
/* The processor time of the next beat counts from now. */
void control_begin_sample(struct control *control);
/* Any thread. Clients of all workers that are connected and not being closed. */
uint64_t control_staying(const struct node *node);

#endif
