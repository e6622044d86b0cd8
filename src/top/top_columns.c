#include "top_columns.h"

#include "top_text.h"

#define NAME_WIDTH  20
#define ADMIN_WIDTH 22

const char *top_state_name(const struct top_row *row, enum top_condition condition)
{
    static const char *const names[] = {
        [HEARTBEAT_UNKNOWN] = "unknown", [HEARTBEAT_STARTING] = "starting", [HEARTBEAT_SERVING] = "serving",
        [HEARTBEAT_CUT_OFF] = "cut off", [HEARTBEAT_ISOLATED] = "isolated", [HEARTBEAT_DRAINING] = "draining",
        [HEARTBEAT_LEAVING] = "left",
    };
    if (condition == TOP_SILENT)
        return "silent";
    if (row->beat.kind == HEARTBEAT_OF_RELAY && row->beat.state == HEARTBEAT_SERVING)
        return row->beat.active ? "active" : "standby";
    return names[row->beat.state];
}

static void write_name(const struct top_cell *cell, struct buffer *out)
{
    const struct heartbeat *beat = &cell->row->beat;
    top_text_name(out, beat->name[0] ? beat->name : beat->instance, NAME_WIDTH);
}

static void write_state(const struct top_cell *cell, struct buffer *out)
{
    buffer_append_text(out, top_state_name(cell->row, cell->condition));
}

static void write_connections(const struct top_cell *cell, struct buffer *out)
{
    buffer_append_u64(out, cell->row->beat.connections);
}

/* Of those that are there: one that has gone is no part of the mean. */
static void write_share(const struct top_cell *cell, struct buffer *out)
{
    if (cell->condition == TOP_FRESH && cell->mean > 0)
        buffer_appendf(out, "%.0f%%", 100 * (double)cell->row->beat.connections / cell->mean);
    else
        buffer_append_char(out, '-');
}

static void write_rooms(const struct top_cell *cell, struct buffer *out)
{
    buffer_append_u64(out, cell->row->beat.rooms);
}

static void write_cpu(const struct top_cell *cell, struct buffer *out)
{
    buffer_appendf(out, "%.1f", (double)cell->row->beat.cpu_permille / 10);
}

static void write_memory(const struct top_cell *cell, struct buffer *out)
{
    top_text_bytes(out, cell->row->beat.memory_bytes);
}

/* What grows does not grow where nobody is. */
static void write_rate(const struct top_cell *cell, double rate, struct buffer *out)
{
    if (cell->condition == TOP_FRESH && cell->row->has_rates)
        top_text_count(out, rate);
    else
        buffer_append_char(out, '-');
}

static void write_events(const struct top_cell *cell, struct buffer *out)
{
    write_rate(cell, cell->row->rates.events, out);
}

static void write_deliveries(const struct top_cell *cell, struct buffer *out)
{
    write_rate(cell, cell->row->rates.deliveries, out);
}

static void write_accepted(const struct top_cell *cell, struct buffer *out)
{
    write_rate(cell, cell->row->rates.accepted, out);
}

static void write_closed(const struct top_cell *cell, struct buffer *out)
{
    write_rate(cell, cell->row->rates.closed, out);
}

static void write_stored(const struct top_cell *cell, struct buffer *out)
{
    write_rate(cell, cell->row->rates.stored, out);
}

static void write_queued(const struct top_cell *cell, struct buffer *out)
{
    top_text_bytes(out, cell->row->beat.queued_bytes);
}

static void write_age(const struct top_cell *cell, struct buffer *out)
{
    if (cell->row->rates.age_ms < 0)
        buffer_append_char(out, '-');
    else
        write_rate(cell, cell->row->rates.age_ms, out);
}

static void write_lagging(const struct top_cell *cell, struct buffer *out)
{
    buffer_append_u64(out, cell->row->beat.lagging);
}

static void write_blocked(const struct top_cell *cell, struct buffer *out)
{
    buffer_append_u64(out, cell->row->beat.blocked);
}

static void write_in_flight(const struct top_cell *cell, struct buffer *out)
{
    buffer_append_u64(out, cell->row->beat.in_flight);
}

static void write_uptime(const struct top_cell *cell, struct buffer *out)
{
    top_text_duration(out, cell->row->beat.uptime_s);
}

static void write_heard(const struct top_cell *cell, struct buffer *out)
{
    top_text_duration(out, (cell->now_ms - cell->row->heard_ms) / 1000);
}

static void write_release(const struct top_cell *cell, struct buffer *out)
{
    top_text_name(out, cell->row->beat.release, 12);
}

static void write_admin(const struct top_cell *cell, struct buffer *out)
{
    top_text_name(out, cell->row->beat.admin, ADMIN_WIDTH);
}

const struct top_column top_node_columns[] = {
    {"NODE", NAME_WIDTH, true, write_name},    {"STATE", 8, true, write_state},
    {"CONN", 7, false, write_connections},     {"%MEAN", 5, false, write_share},
    {"ROOMS", 6, false, write_rooms},          {"CPU%", 5, false, write_cpu},
    {"MEM", 4, false, write_memory},           {"EV/S", 5, false, write_events},
    {"DELIV/S", 7, false, write_deliveries},   {"QUEUE", 5, false, write_queued},
    {"LAG ms", 6, false, write_age},           {"LAGGING", 7, false, write_lagging},
    {"SLOW", 5, false, write_blocked},         {"OPEN/S", 6, false, write_accepted},
    {"CLOSE/S", 7, false, write_closed},       {"UP", 5, false, write_uptime},
    {"HEARD", 5, false, write_heard},          {"RELEASE", 12, true, write_release},
    {"ADMIN", ADMIN_WIDTH, true, write_admin}, {0},
};

const struct top_column top_relay_columns[] = {
    {"RELAY", NAME_WIDTH, true, write_name},
    {"STATE", 8, true, write_state},
    {"STORED/S", 8, false, write_stored},
    {"IN FLIGHT", 9, false, write_in_flight},
    {"CPU%", 5, false, write_cpu},
    {"MEM", 4, false, write_memory},
    {"UP", 5, false, write_uptime},
    {"HEARD", 5, false, write_heard},
    {"RELEASE", 12, true, write_release},
    {"ADMIN", ADMIN_WIDTH, true, write_admin},
    {0},
};
