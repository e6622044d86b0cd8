#include <roomcast/base/metrics.h>

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include <roomcast/base/clock.h>

static const struct row {
    enum metric_kind kind;
    enum metric_program program;
    const char *name;
    const char *label; /* `key="value"`, or "" */
    const char *help;  /* given by the first row of a name */
} rows[METRIC_COUNT] = {
#define METRIC_ROW(id, kind, program, name, label, help)                                                     \
    [METRIC_##id] = {METRIC_##kind, METRIC_##program, name, label, help},
#include <roomcast/base/metrics_table.h>
#undef METRIC_ROW
};

static atomic_int_least64_t values[METRIC_COUNT];
static uint64_t started_wall_ms; /* immutable after the constructor */

/* A constructor, because the value belongs to the process and not to whoever asks for metrics first. */
__attribute__((constructor)) static void note_start(void)
{
    started_wall_ms = clock_wall_ms();
}

void metrics_add(enum metric metric, uint64_t amount)
{
    atomic_fetch_add_explicit(&values[metric], (int64_t)amount, memory_order_relaxed);
}

void metrics_set(enum metric metric, int64_t value)
{
    assert(rows[metric].kind == METRIC_GAUGE);
    atomic_store_explicit(&values[metric], value, memory_order_relaxed);
}

void metrics_change(enum metric metric, int64_t by)
{
    assert(rows[metric].kind == METRIC_GAUGE);
    atomic_fetch_add_explicit(&values[metric], by, memory_order_relaxed);
}

int64_t metrics_get(enum metric metric)
{
    return atomic_load_explicit(&values[metric], memory_order_relaxed);
}

static void render_head(struct buffer *out, const char *name, const char *kind, const char *help)
{
    buffer_appendf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void render_process(struct buffer *out)
{
    render_head(out, "roomcast_build_info", "gauge", "1, labelled with the version that runs");
    buffer_append_text(out, "roomcast_build_info{version=\"" ROOMCAST_VERSION "\"} 1\n");
    render_head(out, "process_start_time_seconds", "gauge", "Unix time at which the process started");
    buffer_appendf(out, "process_start_time_seconds %u.%03u\n", (unsigned)(started_wall_ms / 1000),
                   (unsigned)(started_wall_ms % 1000));
}

void metrics_render(enum metric_program program, struct buffer *out)
{
    const char *headed = "";

    render_process(out);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct row *row = &rows[i];
        if (program != METRIC_BOTH && row->program != METRIC_BOTH && row->program != program)
            continue;
        if (strcmp(headed, row->name) != 0)
            render_head(out, row->name, row->kind == METRIC_COUNTER ? "counter" : "gauge", row->help);
        headed = row->name;
        buffer_append_text(out, row->name);
        if (row->label[0])
            buffer_appendf(out, "{%s}", row->label);
        buffer_append_char(out, ' ');
        buffer_append_i64(out, metrics_get((enum metric)i));
        buffer_append_char(out, '\n');
    }
}
