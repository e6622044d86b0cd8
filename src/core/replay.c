#include <roomcast/core/replay.h>

#include <assert.h>
#include <stdlib.h>

#include <roomcast/base/metrics.h>

struct replay *replay_new(const struct position *first, uint32_t count)
{
    struct replay *replay = malloc(sizeof *replay + count * sizeof replay->frames[0]);

    if (!replay)
        return NULL;
    *replay = (struct replay){.count = count, .first = *first};
    atomic_init(&replay->refs, 1);
    return replay;
}

struct replay *replay_ref(struct replay *replay)
{
    atomic_fetch_add_explicit(&replay->refs, 1, memory_order_relaxed);
    return replay;
}

void replay_unref(struct replay **replay)
{
    struct replay *gone = *replay;

    *replay = NULL;
    if (!gone)
        return;
    unsigned before = atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    metrics_change(METRIC_REPLAY_BYTES, -(int64_t)gone->bytes);
    for (uint32_t i = 0; i < gone->count; i++)
        frame_unref(&gone->frames[i]);
    free(gone);
}
