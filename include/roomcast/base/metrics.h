/* Counters, gauges and histograms of one process, as Prometheus text.
 *
 * The tables below are the only places where a metric is named; the list in cluster/REFERENCE.md is made from
 * it. Rows that share a name differ in their label. Thread: any; an update is one relaxed atomic operation,
 * so hot paths add up per loop turn and call once. */
#ifndef ROOMCAST_BASE_METRICS_H
#define ROOMCAST_BASE_METRICS_H

#include <stdint.h>

#include <roomcast/base/buffer.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };
enum metric_program { METRIC_NODE, METRIC_RELAY, METRIC_BOTH };

enum metric {
#define METRIC_ROW(id, kind, program, name, label, help) METRIC_##id,
#include <roomcast/base/metrics_table.h>
#undef METRIC_ROW
    METRIC_COUNT
};

enum metric_histogram {
#define HISTOGRAM_ROW(id, program, name, label, bounds, help) HISTOGRAM_##id,
#include <roomcast/base/histograms_table.h>
#undef HISTOGRAM_ROW
    HISTOGRAM_COUNT
};

enum metric_family {
#define FAMILY_ROW(id, program, name, label, help) FAMILY_##id,
#include <roomcast/base/families_table.h>
#undef FAMILY_ROW
    FAMILY_COUNT
};
#define FAMILY_VALUES_MAX 64 /* label values of a family; further ones are counted as "other" */
#define FAMILY_VALUE_MAX  64 /* bytes of one; longer ones too */

void metrics_add(enum metric metric, uint64_t amount);
static inline void metrics_inc(enum metric metric)
{
    metrics_add(metric, 1);
}
/* Gauges only. */
void metrics_set(enum metric metric, int64_t value);
void metrics_change(enum metric metric, int64_t by);
int64_t metrics_get(enum metric metric);

/* `value`: of the label; letters, digits, '.', '-' and '_' only, others count as "other". Takes a lock: for
 * what happens once per event, not once per delivery. */
void metrics_count_by(enum metric_family family, struct slice value);

/* Shown in seconds. */
void metrics_observe_us(enum metric_histogram histogram, uint64_t microseconds);
uint64_t metrics_observed(enum metric_histogram histogram);
/* Microseconds, of all that were observed together. */
uint64_t metrics_observed_sum_us(enum metric_histogram histogram);

/* Prometheus text exposition format 0.0.4 of the rows that belong to `program`, plus
 * roomcast_build_info{version=...} and process start time. In an embedded process use METRIC_BOTH: all rows.
 */
void metrics_render(enum metric_program program, struct buffer *out);

#endif
