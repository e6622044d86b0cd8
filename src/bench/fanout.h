/* The scenario `fanout`: events to rooms, by a schedule or in a closed loop, every delivery accounted for. */
#ifndef ROOMCAST_BENCH_FANOUT_H
#define ROOMCAST_BENCH_FANOUT_H

#include "crowd.h"
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
    uint64_t events, expected; /* published; deliveries that follow from them */
    uint64_t ticks;
    char problem[SOURCE_PROBLEM_SIZE];
};

/* Opens the crowd and joins the rooms. ERR_CONFIG, ERR_UNAVAILABLE, ...: `problem` says what to do. */
enum err fanout_open(struct fanout *fanout, const struct bench_options *options) MUST_CHECK;
/* Warm-up, measurement; appends what was found. `ret_lost`: something was lost, doubled or out of order. */
enum err fanout_measure(struct fanout *fanout, struct report *report, bool *ret_lost) MUST_CHECK;
void fanout_close(struct fanout *fanout);

#endif
