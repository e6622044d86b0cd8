#include <roomcast/base/metrics.h>

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/usage.h>

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

#define BOUNDS_MAX 16
#define US_PER_S   1000000u

/* Upper bounds in microseconds, ended by 0; what is above the last counts as +Inf. */
static const uint32_t latency[] = {1000,   2000,   5000,    10000,   25000,   50000,    100000,
                                   250000, 500000, 1000000, 2500000, 5000000, 10000000, 0};
static const uint32_t turn[] = {100,   250,   500,    1000,   2500,    5000, 10000,
                                25000, 50000, 100000, 250000, 1000000, 0};

static const struct histogram_row {
    enum metric_program program;
    const char *name, *label;
    const uint32_t *bounds_us;
    const char *help;
} histogram_rows[HISTOGRAM_COUNT] = {
#define HISTOGRAM_ROW(id, program, name, label, bounds, help)                                                \
    [HISTOGRAM_##id] = {METRIC_##program, name, label, bounds, help},
#include <roomcast/base/histograms_table.h>
#undef HISTOGRAM_ROW
};

static struct {
    atomic_uint_least64_t buckets[BOUNDS_MAX]; /* each by itself; rendered cumulatively */
    atomic_uint_least64_t sum_us;
} observed[HISTOGRAM_COUNT];

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

void metrics_observe_us(enum metric_histogram histogram, uint64_t microseconds)
{
    const uint32_t *bounds_us = histogram_rows[histogram].bounds_us;
    size_t bucket = 0;
    while (bounds_us[bucket] != 0 && microseconds > bounds_us[bucket])
        bucket++;
    atomic_fetch_add_explicit(&observed[histogram].buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&observed[histogram].sum_us, microseconds, memory_order_relaxed);
}

uint64_t metrics_observed(enum metric_histogram histogram)
{
    uint64_t count = 0;
    for (size_t i = 0; i < BOUNDS_MAX; i++)
        count += atomic_load_explicit(&observed[histogram].buckets[i], memory_order_relaxed);
    return count;
}

uint64_t metrics_observed_sum_us(enum metric_histogram histogram)
{
    return atomic_load_explicit(&observed[histogram].sum_us, memory_order_relaxed);
}

/* --- families --- */

static const struct family_row {
    enum metric_program program;
    const char *name, *label, *help;
} family_rows[FAMILY_COUNT] = {
#define FAMILY_ROW(id, program, name, label, help) [FAMILY_##id] = {METRIC_##program, name, label, help},
#include <roomcast/base/families_table.h>
#undef FAMILY_ROW
};

static pthread_mutex_t families_lock = PTHREAD_MUTEX_INITIALIZER;
static struct family {
    struct {
        char text[FAMILY_VALUE_MAX];
        size_t len;
        uint64_t count;
    } values[FAMILY_VALUES_MAX];
    size_t values_count;
    uint64_t others;
} families[FAMILY_COUNT]; /* under families_lock */

/* Or it would have to be escaped, and would come from who knows where. */
static bool is_label_value(struct slice value)
{
    for (size_t at = 0; at < value.len; at++) {
        char c = value.data[at];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_')
            return false;
    }
    return value.len > 0 && value.len <= FAMILY_VALUE_MAX;
}

/* NULL: it has no place. */
static uint64_t *find_value_locked(struct family *family, struct slice value)
{
    for (size_t i = 0; i < family->values_count; i++) {
        if (slice_equal(value, (struct slice){family->values[i].text, family->values[i].len}))
            return &family->values[i].count;
    }
    if (family->values_count == FAMILY_VALUES_MAX || !is_label_value(value))
        return NULL;
    memcpy(family->values[family->values_count].text, value.data, value.len);
    family->values[family->values_count].len = value.len;
    return &family->values[family->values_count++].count;
}

void metrics_count_by(enum metric_family number, struct slice value)
{
    struct family *family = &families[number];
    pthread_mutex_lock(&families_lock);
    uint64_t *count = find_value_locked(family, value);
    if (!count)
        count = &family->others;
    ++*count;
    pthread_mutex_unlock(&families_lock);
}

/* --- the text --- */

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

static bool is_shown(enum metric_program of_row, enum metric_program asked)
{
    return asked == METRIC_BOTH || of_row == METRIC_BOTH || of_row == asked;
}

static void append_seconds(struct buffer *out, uint64_t microseconds)
{
    buffer_appendf(out, "%llu.%06u", (unsigned long long)(microseconds / US_PER_S),
                   (unsigned)(microseconds % US_PER_S));
}

/* `name_suffix{label,le="bound"} count` */
static void render_buckets(const struct histogram_row *row, enum metric_histogram histogram,
                           struct buffer *out)
{
    const char *comma = row->label[0] ? "," : "";
    uint64_t count = 0;
    for (size_t i = 0;; i++) {
        count += atomic_load_explicit(&observed[histogram].buckets[i], memory_order_relaxed);
        buffer_appendf(out, "%s_bucket{%s%sle=\"", row->name, row->label, comma);
        if (row->bounds_us[i] == 0)
            buffer_append_text(out, "+Inf");
        else
            buffer_appendf(out, "%g", (double)row->bounds_us[i] / US_PER_S);
        buffer_appendf(out, "\"} %llu\n", (unsigned long long)count);
        if (row->bounds_us[i] == 0)
            break;
    }
    const char *open = row->label[0] ? "{" : "", *close = row->label[0] ? "}" : "";
    buffer_appendf(out, "%s_sum%s%s%s ", row->name, open, row->label, close);
    append_seconds(out, metrics_observed_sum_us(histogram));
    /* The same count as +Inf, though more may have been observed meanwhile. */
    buffer_appendf(out, "\n%s_count%s%s%s %llu\n", row->name, open, row->label, close,
                   (unsigned long long)count);
}

static void render_histograms(enum metric_program program, struct buffer *out)
{
    const char *headed = "";
    for (unsigned i = 0; i < HISTOGRAM_COUNT; i++) {
        const struct histogram_row *row = &histogram_rows[i];
        if (!is_shown(row->program, program))
            continue;
        if (strcmp(headed, row->name) != 0)
            render_head(out, row->name, "histogram", row->help);
        headed = row->name;
        render_buckets(row, (enum metric_histogram)i, out);
    }
}

static void render_value(const struct family_row *row, struct slice value, uint64_t count, struct buffer *out)
{
    buffer_appendf(out, "%s{%s=\"%.*s\"} %llu\n", row->name, row->label, SLICE_FMT(value),
                   (unsigned long long)count);
}

static void render_families(enum metric_program program, struct buffer *out)
{
    pthread_mutex_lock(&families_lock);
    for (unsigned i = 0; i < FAMILY_COUNT; i++) {
        const struct family_row *row = &family_rows[i];
        const struct family *family = &families[i];
        if (!is_shown(row->program, program))
            continue;
        render_head(out, row->name, "counter", row->help);
        for (size_t at = 0; at < family->values_count; at++)
            render_value(row, (struct slice){family->values[at].text, family->values[at].len},
                         family->values[at].count, out);
        if (family->others > 0)
            render_value(row, SLICE_LITERAL("other"), family->others, out);
    }
    pthread_mutex_unlock(&families_lock);
}

void metrics_render(enum metric_program program, struct buffer *out)
{
    const char *headed = "";

    metrics_set(METRIC_RESIDENT_BYTES, (int64_t)usage_memory_bytes());
    render_process(out);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct row *row = &rows[i];
        if (!is_shown(row->program, program))
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
    render_families(program, out);
    render_histograms(program, out);
}
