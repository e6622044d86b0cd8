/* What the processes of a deployment have said of themselves lately, and how fast their counters grow.
 *
 * Owns: its rows, at most TOP_ROWS_MAX, beyond which strangers are not taken in.   Thread: one at a time.
 * Pure: `now_ms` is monotonic and given. */
#ifndef ROOMCAST_TOP_MODEL_H
#define ROOMCAST_TOP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/top/top.h>
#include <roomcast/wire/heartbeat.h>

#define TOP_ROWS_MAX     256
#define TOP_SILENT_BEATS 3  /* intervals without a beat, after which a row counts as silent */
#define TOP_GONE_BEATS   10 /* after which it goes */

/* Per second, over the last interval. */
struct top_rates {
    double accepted, closed, shed, events, deliveries, stored;
    double age_ms; /* mean age of the events of that time when they were sent; below 0: there were none */
};

/* The counters that rates are made of. */
struct top_totals {
    uint64_t accepted, closed, shed, events, deliveries, stored, age_ms, age_count;
};

struct top_row {
    struct heartbeat beat; /* the last one */
    uint64_t heard_ms;
    struct top_totals base; /* as they were at `base_ms`, from where rates are counted */
    uint64_t base_ms;
    bool has_rates;
    struct top_rates rates;
};

enum top_condition { TOP_FRESH, TOP_SILENT, TOP_LEFT };

struct top_model {
    struct top_row *rows;
    size_t count;
    uint64_t refused; /* beats of strangers for whom there was no row */
};

/* Of all rows that are fresh; connections and what follows of nodes alone. */
struct top_sum {
    size_t nodes, relays, active; /* active: relays at work */
    size_t silent;                /* rows of any kind that are not fresh and have not said that they leave */
    uint64_t connections, rooms, queued_bytes, lagging, blocked, in_flight;
    double mean; /* connections of a node; 0 without nodes */
    double accepted, closed, shed, events, deliveries, stored;
};

void top_model_init(struct top_model *model);
void top_model_fini(struct top_model *model);

/* Takes in a beat that came at `now_ms`, or before others that are known; one that is older than what is
 * known of its instance is dropped. */
void top_model_hear(struct top_model *model, const struct heartbeat *beat, uint64_t now_ms);
/* Takes in what a process answers when it is asked: as a beat, of which it may be the same one with newer
 * numbers. */
void top_model_refresh(struct top_model *model, const struct heartbeat *beat, uint64_t now_ms);
/* Drops rows of processes that have been gone for long. */
void top_model_expire(struct top_model *model, uint64_t now_ms);

enum top_condition top_row_condition(const struct top_row *row, uint64_t now_ms);
/* Nodes before relays, then by `order` (largest first), then by name and instance. */
void top_model_sort(struct top_model *model, enum top_order order);
void top_model_sum(const struct top_model *model, uint64_t now_ms, struct top_sum *ret_sum);
/* Whether a single look would show everything: each process that can be known by now has been heard for long
 * enough to have rates. `since_ms`: when listening began. */
bool top_model_is_complete(const struct top_model *model, uint64_t since_ms, uint64_t now_ms);

#endif
