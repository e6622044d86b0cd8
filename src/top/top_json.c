#include "top_view.h"

#include <roomcast/base/clock.h>
#include <roomcast/wire/json_text.h>

#include "top_columns.h"

/* What makes an object: names are written by us and need no escapes. */
struct object {
    struct buffer *out;
    bool has_members;
};

static void name_member(struct object *object, const char *name)
{
    buffer_appendf(object->out, "%s\"%s\":", object->has_members ? "," : "{", name);
    object->has_members = true;
}

static void put_text(struct object *object, const char *name, const char *text)
{
    name_member(object, name);
    json_append_string(object->out, slice_of(text));
}

static void put_number(struct object *object, const char *name, uint64_t value)
{
    name_member(object, name);
    buffer_append_u64(object->out, value);
}

static void put_decimal(struct object *object, const char *name, double value)
{
    name_member(object, name);
    buffer_appendf(object->out, "%.1f", value);
}

/* null: not known. */
static void put_rate(struct object *object, const char *name, const struct top_row *row, double value)
{
    if (row->has_rates && value >= 0) {
        put_decimal(object, name, value);
    } else {
        name_member(object, name);
        buffer_append_text(object->out, "null");
    }
}

static void put_common(struct object *object, const struct top_row *row, enum top_condition condition,
                       uint64_t now_ms)
{
    const struct heartbeat *beat = &row->beat;
    put_text(object, "name", beat->name);
    put_text(object, "instance", beat->instance);
    put_text(object, "state", top_state_name(row, condition));
    put_text(object, "admin", beat->admin);
    put_text(object, "release", beat->release);
    put_decimal(object, "cpu_percent", (double)beat->cpu_permille / 10);
    put_number(object, "memory_bytes", beat->memory_bytes);
    put_number(object, "uptime_s", beat->uptime_s);
    put_number(object, "heard_ms_ago", now_ms - row->heard_ms);
    put_number(object, "interval_ms", beat->interval_ms);
}

static void put_node(struct object *object, const struct top_row *row)
{
    const struct heartbeat *beat = &row->beat;
    const struct top_rates *rates = &row->rates;
    put_number(object, "connections", beat->connections);
    put_number(object, "max_connections", beat->max_connections);
    put_number(object, "rooms", beat->rooms);
    put_number(object, "queued_bytes", beat->queued_bytes);
    put_number(object, "lagging", beat->lagging);
    put_number(object, "blocked", beat->blocked);
    put_number(object, "accepted_total", beat->accepted_total);
    put_number(object, "closed_total", beat->closed_total);
    put_number(object, "shed_total", beat->shed_total);
    put_number(object, "events_total", beat->events_total);
    put_number(object, "deliveries_total", beat->deliveries_total);
    put_rate(object, "accepted_per_s", row, rates->accepted);
    put_rate(object, "closed_per_s", row, rates->closed);
    put_rate(object, "events_per_s", row, rates->events);
    put_rate(object, "deliveries_per_s", row, rates->deliveries);
    put_rate(object, "event_age_ms", row, rates->age_ms);
}

static void put_relay(struct object *object, const struct top_row *row)
{
    name_member(object, "active");
    buffer_append_text(object->out, row->beat.active ? "true" : "false");
    put_number(object, "in_flight", row->beat.in_flight);
    put_number(object, "stored_total", row->beat.stored_total);
    put_rate(object, "stored_per_s", row, row->rates.stored);
}

static void put_rows(struct buffer *out, const struct top_model *model, enum heartbeat_kind kind,
                     uint64_t now_ms)
{
    bool is_first = true;
    buffer_append_char(out, '[');
    for (size_t i = 0; i < model->count; i++) {
        const struct top_row *row = &model->rows[i];
        struct object object = {.out = out};
        if (row->beat.kind != kind)
            continue;
        if (!is_first)
            buffer_append_char(out, ',');
        is_first = false;
        put_common(&object, row, top_row_condition(row, now_ms), now_ms);
        if (kind == HEARTBEAT_OF_NODE)
            put_node(&object, row);
        else
            put_relay(&object, row);
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
}

static void put_totals(struct buffer *out, const struct top_model *model, uint64_t now_ms)
{
    struct object object = {.out = out};
    struct top_sum sum;
    top_model_sum(model, now_ms, &sum);
    put_number(&object, "nodes", sum.nodes);
    put_number(&object, "relays", sum.relays);
    put_number(&object, "active_relays", sum.active);
    put_number(&object, "silent", sum.silent);
    put_number(&object, "connections", sum.connections);
    put_decimal(&object, "mean_connections", sum.mean);
    put_number(&object, "rooms", sum.rooms);
    put_number(&object, "queued_bytes", sum.queued_bytes);
    put_number(&object, "lagging", sum.lagging);
    put_number(&object, "blocked", sum.blocked);
    put_number(&object, "in_flight", sum.in_flight);
    put_decimal(&object, "accepted_per_s", sum.accepted);
    put_decimal(&object, "closed_per_s", sum.closed);
    put_decimal(&object, "shed_per_s", sum.shed);
    put_decimal(&object, "events_per_s", sum.events);
    put_decimal(&object, "deliveries_per_s", sum.deliveries);
    put_decimal(&object, "stored_per_s", sum.stored);
    buffer_append_char(out, '}');
}

void top_view_json(const struct top_view *view, const struct top_model *model, struct buffer *out)
{
    char at[CLOCK_TEXT_SIZE];
    struct object object = {.out = out};
    clock_format(view->wall_ms, at);
    put_text(&object, "at", at);
    put_text(&object, "source", view->source);
    name_member(&object, "nodes");
    put_rows(out, model, HEARTBEAT_OF_NODE, view->now_ms);
    name_member(&object, "relays");
    put_rows(out, model, HEARTBEAT_OF_RELAY, view->now_ms);
    name_member(&object, "totals");
    put_totals(out, model, view->now_ms);
    buffer_append_text(out, "}\n");
}
