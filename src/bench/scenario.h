/* The scenarios: one row each in scenario.c, one file each beside it. */
#ifndef ROOMCAST_BENCH_SCENARIO_H
#define ROOMCAST_BENCH_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

#include "options.h"
#include "report.h"

struct scenario {
    const char *name, *help;
    bool has_rooms;        /* connections join something */
    bool has_events;       /* something is published */
    bool is_roomcast_only; /* it needs positions and resume */
    /* Appends what was found. `ret_lost`: something was lost, came twice or out of order. On an error
     * `problem` (BENCH_PROBLEM_SIZE) says what to do. */
    enum err (*run)(const struct bench_options *options, struct report *report, bool *ret_lost,
                    char *problem);
};

#define BENCH_PROBLEM_SIZE 256

extern const struct scenario scenarios[];
extern const size_t scenario_count;
/* NULL: there is none of that name. */
const struct scenario *scenario_find(const char *name);

enum err fanout_run(const struct bench_options *options, struct report *report, bool *ret_lost,
                    char *problem);
enum err burst_run(const struct bench_options *options, struct report *report, bool *ret_lost, char *problem);
enum err idle_run(const struct bench_options *options, struct report *report, bool *ret_lost, char *problem);
enum err connect_run(const struct bench_options *options, struct report *report, bool *ret_lost,
                     char *problem);
enum err slow_run(const struct bench_options *options, struct report *report, bool *ret_lost, char *problem);
enum err jitter_run(const struct bench_options *options, struct report *report, bool *ret_lost,
                    char *problem);
enum err room_churn_run(const struct bench_options *options, struct report *report, bool *ret_lost,
                        char *problem);
enum err avalanche_run(const struct bench_options *options, struct report *report, bool *ret_lost,
                       char *problem);

#endif
