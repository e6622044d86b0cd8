/* Counters and gauges of one process, as Prometheus text.
 *
 * The table below is the only place where a metric is named; the README's list is made from it. Rows that
 * share a name differ in their label. Thread: any; an update is one relaxed atomic operation, so hot paths
 * add up per loop turn and call once. */
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

void metrics_add(enum metric metric, uint64_t amount);
static inline void metrics_inc(enum metric metric)
{
    metrics_add(metric, 1);
}
/* Gauges only. */
void metrics_set(enum metric metric, int64_t value);
void metrics_change(enum metric metric, int64_t by);
int64_t metrics_get(enum metric metric);

/* Prometheus text exposition format 0.0.4 of the rows that belong to `program`, plus
 * roomcast_build_info{version=...} and process start time. In an embedded process use METRIC_BOTH: all rows.
 */
void metrics_render(enum metric_program program, struct buffer *out);

#endif
