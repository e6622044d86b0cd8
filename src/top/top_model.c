#include "top_model.h"

#include <stdlib.h>
#include <string.h>

void top_model_init(struct top_model *model)
{
    *model = (struct top_model){0};
}

void top_model_fini(struct top_model *model)
{
    free(model->rows);
    *model = (struct top_model){0};
}

static struct top_totals totals_of(const struct heartbeat *beat)
{
    return (struct top_totals){
        .accepted = beat->accepted_total,
        .closed = beat->closed_total,
        .shed = beat->shed_total,
        .events = beat->events_total,
        .deliveries = beat->deliveries_total,
        .stored = beat->stored_total,
        .age_ms = beat->age_ms_total,
        .age_count = beat->age_count,
    };
}

static double per_second(uint64_t before, uint64_t after, uint64_t ms)
{
    return after > before ? (double)(after - before) * 1000 / (double)ms : 0;
}

/* Beats may follow each other at once, when a state changes: rates over less than half an interval would
 * jump. */
static void take_rates(struct top_row *row, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms > row->base_ms ? now_ms - row->base_ms : 0;
    if (elapsed_ms < row->beat.interval_ms / 2 || elapsed_ms == 0)
        return;
    struct top_totals now = totals_of(&row->beat);
    const struct top_totals *base = &row->base;
    row->rates = (struct top_rates){
        .accepted = per_second(base->accepted, now.accepted, elapsed_ms),
        .closed = per_second(base->closed, now.closed, elapsed_ms),
        .shed = per_second(base->shed, now.shed, elapsed_ms),
        .events = per_second(base->events, now.events, elapsed_ms),
        .deliveries = per_second(base->deliveries, now.deliveries, elapsed_ms),
        .stored = per_second(base->stored, now.stored, elapsed_ms),
        .age_ms = -1,
    };
    if (now.age_count > base->age_count && now.age_ms >= base->age_ms)
        row->rates.age_ms = (double)(now.age_ms - base->age_ms) / (double)(now.age_count - base->age_count);
    row->has_rates = true;
    row->base = now;
    row->base_ms = now_ms;
}

static void drop_row(struct top_model *model, size_t index)
{
    model->rows[index] = model->rows[--model->count];
}

/* A process that has said that it leaves, and was started again under its old name, is shown once. */
static void drop_predecessor(struct top_model *model, const struct heartbeat *beat)
{
    for (size_t i = model->count; i-- > 0;) {
        const struct heartbeat *old = &model->rows[i].beat;
        if (old->state == HEARTBEAT_LEAVING && old->kind == beat->kind && strcmp(old->name, beat->name) == 0)
            drop_row(model, i);
    }
}

static struct top_row *find(struct top_model *model, const char *instance)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->rows[i].beat.instance, instance) == 0)
            return &model->rows[i];
    return NULL;
}

static void add_row(struct top_model *model, const struct heartbeat *beat, uint64_t now_ms)
{
    drop_predecessor(model, beat);
    if (!model->rows)
        model->rows = malloc(TOP_ROWS_MAX * sizeof *model->rows);
    if (!model->rows || model->count == TOP_ROWS_MAX) {
        model->refused++;
        return;
    }
    model->rows[model->count++] = (struct top_row){
        .beat = *beat,
        .heard_ms = now_ms,
        .base = totals_of(beat),
        .base_ms = now_ms,
        .rates.age_ms = -1,
    };
}

/* `least`: the number from which on it is news of a process that is known. */
static void take_in(struct top_model *model, struct top_row *row, const struct heartbeat *beat,
                    uint64_t least, uint64_t now_ms)
{
    if (row && beat->number >= least) {
        row->beat = *beat;
        if (now_ms > row->heard_ms)
            row->heard_ms = now_ms;
        take_rates(row, now_ms);
    } else if (!row && beat->state != HEARTBEAT_LEAVING) {
        add_row(model, beat, now_ms);
    }
}

void top_model_hear(struct top_model *model, const struct heartbeat *beat, uint64_t now_ms)
{
    struct top_row *row = find(model, beat->instance);
    take_in(model, row, beat, row ? row->beat.number + 1 : 0, now_ms);
}

void top_model_refresh(struct top_model *model, const struct heartbeat *beat, uint64_t now_ms)
{
    struct top_row *row = find(model, beat->instance);
    take_in(model, row, beat, row ? row->beat.number : 0, now_ms);
}

enum top_condition top_row_condition(const struct top_row *row, uint64_t now_ms)
{
    if (row->beat.state == HEARTBEAT_LEAVING)
        return TOP_LEFT;
    return now_ms - row->heard_ms > TOP_SILENT_BEATS * row->beat.interval_ms ? TOP_SILENT : TOP_FRESH;
}

void top_model_expire(struct top_model *model, uint64_t now_ms)
{
    for (size_t i = model->count; i-- > 0;) {
        const struct top_row *row = &model->rows[i];
        uint64_t beats = row->beat.state == HEARTBEAT_LEAVING ? TOP_SILENT_BEATS : TOP_GONE_BEATS;
        if (now_ms - row->heard_ms > beats * row->beat.interval_ms)
            drop_row(model, i);
    }
}

static int by_numbers(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

static int by_name(const void *a, const void *b)
{
    const struct heartbeat *one = &((const struct top_row *)a)->beat;
    const struct heartbeat *other = &((const struct top_row *)b)->beat;
    if (one->kind != other->kind)
        return one->kind < other->kind ? -1 : 1;
    int order = strcmp(one->name, other->name);
    return order ? order : strcmp(one->instance, other->instance);
}

static int by_connections(const void *a, const void *b)
{
    const struct heartbeat *one = &((const struct top_row *)a)->beat;
    const struct heartbeat *other = &((const struct top_row *)b)->beat;
    int order = one->kind == other->kind ? by_numbers(one->connections, other->connections) : 0;
    return order ? order : by_name(a, b);
}

static int by_cpu(const void *a, const void *b)
{
    const struct heartbeat *one = &((const struct top_row *)a)->beat;
    const struct heartbeat *other = &((const struct top_row *)b)->beat;
    int order = one->kind == other->kind ? by_numbers(one->cpu_permille, other->cpu_permille) : 0;
    return order ? order : by_name(a, b);
}

void top_model_sort(struct top_model *model, enum top_order order)
{
    static int (*const compare[])(const void *, const void *) = {
        [TOP_BY_NAME] = by_name,
        [TOP_BY_CONNECTIONS] = by_connections,
        [TOP_BY_CPU] = by_cpu,
    };
    if (model->count > 1)
        qsort(model->rows, model->count, sizeof *model->rows, compare[order]);
}

static void add_node(struct top_sum *sum, const struct top_row *row)
{
    const struct heartbeat *beat = &row->beat;
    sum->nodes++;
    sum->connections += beat->connections;
    sum->rooms += beat->rooms;
    sum->queued_bytes += beat->queued_bytes;
    sum->lagging += beat->lagging;
    sum->blocked += beat->blocked;
    sum->accepted += row->rates.accepted;
    sum->closed += row->rates.closed;
    sum->shed += row->rates.shed;
    sum->events += row->rates.events;
    sum->deliveries += row->rates.deliveries;
}

static void add_relay(struct top_sum *sum, const struct top_row *row)
{
    sum->relays++;
    sum->active += row->beat.active;
    sum->in_flight += row->beat.in_flight;
    sum->stored += row->rates.stored;
}

void top_model_sum(const struct top_model *model, uint64_t now_ms, struct top_sum *ret_sum)
{
    struct top_sum sum = {0};
    for (size_t i = 0; i < model->count; i++) {
        const struct top_row *row = &model->rows[i];
        enum top_condition condition = top_row_condition(row, now_ms);
        sum.silent += condition == TOP_SILENT;
        if (condition != TOP_FRESH)
            continue;
        if (row->beat.kind == HEARTBEAT_OF_NODE)
            add_node(&sum, row);
        else
            add_relay(&sum, row);
    }
    if (sum.nodes > 0)
        sum.mean = (double)sum.connections / (double)sum.nodes;
    *ret_sum = sum;
}

bool top_model_is_complete(const struct top_model *model, uint64_t since_ms, uint64_t now_ms)
{
    uint64_t interval_ms = 0;
    for (size_t i = 0; i < model->count; i++) {
        const struct top_row *row = &model->rows[i];
        if (top_row_condition(row, now_ms) == TOP_FRESH && !row->has_rates)
            return false;
        if (row->beat.interval_ms > interval_ms)
            interval_ms = row->beat.interval_ms;
    }
    /* Beats come up to a twentieth later than said. */
    return model->count > 0 && now_ms - since_ms > interval_ms + interval_ms / 10;
}
