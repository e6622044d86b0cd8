/* A histogram of durations whose buckets grow with the value: 128 to each doubling, so a value is known to
 * within 0.8 %. Percentiles of several threads come from merged histograms, never from averaged percentiles.
 *
 * Thread: one at a time.   Values: nanoseconds; beyond HISTOGRAM_MAX they count as that. */
#ifndef ROOMCAST_BENCH_HISTOGRAM_H
#define ROOMCAST_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS     7
#define HISTOGRAM_EXPONENT_MAX 42 /* 2^42 ns: 73 minutes */
#define HISTOGRAM_MAX          ((UINT64_C(1) << HISTOGRAM_EXPONENT_MAX) - 1)
#define HISTOGRAM_BUCKETS      ((HISTOGRAM_EXPONENT_MAX - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t count, max;
};

static inline uint32_t histogram_bucket(uint64_t value)
{
    if (value < (1u << HISTOGRAM_SUB_BITS))
        return (uint32_t)value;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (uint32_t)((shift << HISTOGRAM_SUB_BITS) + (value >> shift));
}

static inline void histogram_record(struct histogram *histogram, uint64_t value)
{
    if (value > HISTOGRAM_MAX)
        value = HISTOGRAM_MAX;
    histogram->counts[histogram_bucket(value)]++;
    histogram->count++;
    if (value > histogram->max)
        histogram->max = value;
}

void histogram_clear(struct histogram *histogram);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value that `share` (0 to 1) of all values do not exceed; the middle of its bucket, never above the
 * largest value. 0 when there is none. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);

#endif
