#include "histogram.h"

#include <math.h>
#include <string.h>

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
}

static uint64_t middle_of(uint32_t bucket)
{
    if (bucket < (2u << HISTOGRAM_SUB_BITS))
        return bucket;
    uint32_t shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t low = ((uint64_t)bucket - ((uint64_t)shift << HISTOGRAM_SUB_BITS)) << shift;
    return low + (UINT64_C(1) << shift) / 2;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    if (histogram->count == 0)
        return 0;
    uint64_t rank = (uint64_t)ceil(share * (double)histogram->count), seen = 0;
    if (rank >= histogram->count)
        return histogram->max;
    if (rank == 0)
        rank = 1;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= rank) {
            uint64_t value = middle_of(i);
            return value < histogram->max ? value : histogram->max;
        }
    }
    return histogram->max;
}
