/* The scenario `fanout`: events to rooms, by a schedule or in a closed loop, every delivery accounted for. */
#ifndef ROOMCAST_BENCH_FANOUT_H
#define ROOMCAST_BENCH_FANOUT_H

#include "crowd.h"
#include "hops_watch.h"
#include "options.h"
#include "report.h"
#include "source.h"
#include "tally.h"

struct fanout_slot {
    uint32_t room;
    uint32_t awaited;         /* the membership that ends it when --until one */
    uint64_t sent_ns;         /* 0: never */
    _Atomic uint32_t missing; /* deliveries until it is done */
};

struct fanout {
    const struct bench_options *options; /* borrowed */
    struct target target;
    struct layout layout;
    struct crowd crowd;
    struct source *source;
    struct tally *tallies;     /* owned; of each membership; its loop's thread */
    uint32_t *numbers;         /* owned; of each room: the last event's */
    _Atomic uint64_t *typing;  /* owned; when a room's last typing signals left, by number */
    struct fanout_slot *slots; /* owned; in_flight of them */
    struct histogram *lag;     /* owned; how late the schedule was kept, ns */
    struct hops *hops;         /* owned; NULL unless asked for */
    struct hops_watch *watch;  /* owned; the same */
    uint64_t events, expected; /* published; deliveries that follow from them */
    uint64_t ticks;
    /* A scenario's own, set before fanout_open; may be NULL. `observe` sees every text first, on its loop's
     * thread. */
    void (*observe)(struct fanout *fanout, struct crowd_loop *loop, uint32_t client, struct slice text);
    void (*on_turn)(struct crowd_loop *loop, uint64_t now_ns);
    /* Clients that belong to no room of the layout, and what comes to them; on loop 0's thread. */
    uint32_t visitors;
    void (*on_visitor)(struct fanout *fanout, uint32_t visitor, struct slice text, uint64_t now_ns);
    uint32_t first_visitor; /* its client's number, once fanout_open has been called */
    struct place *places;   /* borrowed by the crowd: owned here */
    void *context;
    bool is_server_shared; /* it serves others besides: its CPU is not that of our deliveries */
    char problem[SOURCE_PROBLEM_SIZE];
};

/* Opens the crowd, joins the rooms and rests. What is not a scenario's own in `fanout` is zero before.
 * `has_source`: events will be published. ERR_CONFIG, ERR_UNAVAILABLE, ...: `problem` says what to do.
 * fanout_close in any case. */
enum err fanout_open(struct fanout *fanout, const struct bench_options *options, bool has_source) MUST_CHECK;
void fanout_close(struct fanout *fanout);

/* The load that the options ask for, for so long. `phase`: for people who watch. */
enum err fanout_load(struct fanout *fanout, double seconds, const char *phase) MUST_CHECK;
/* options->burst events to room 0; one event to every room. */
enum err fanout_publish_burst(struct fanout *fanout) MUST_CHECK;
enum err fanout_publish_round(struct fanout *fanout) MUST_CHECK;
/* Reads until everything published has come, or nothing has come for long. */
void fanout_drain(struct fanout *fanout);

/* Where the measurement began: whatever came before is warm-up and must have been drained. */
struct fanout_begin {
    uint64_t wall_ns, server_ns, user_ns, events, expected, deliveries;
    uint64_t loops_ns[CROWD_LOOPS_MAX];
};
void fanout_begin(struct fanout *fanout, enum crowd_phase phase, struct fanout_begin *begin);
/* Appends the load and what was found since. True: something was lost, came twice or out of order. */
bool fanout_report(struct fanout *fanout, struct fanout_begin *begin, struct report *report);
/* Appends the latency in the phase COMPARED, and the ratios of that in MEASURED to it. */
void fanout_report_comparison(const struct fanout *fanout, struct report *report);

#endif
