#include <roomcast/core/replay.h>

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include <roomcast/base/metrics.h>

static atomic_size_t total_bytes;

static void change_total(size_t bytes, bool more)
{
    if (more)
        atomic_fetch_add_explicit(&total_bytes, bytes, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&total_bytes, bytes, memory_order_relaxed);
    metrics_change(METRIC_REPLAY_BYTES, more ? (int64_t)bytes : -(int64_t)bytes);
}

size_t replay_total_bytes(void)
{
    return atomic_load_explicit(&total_bytes, memory_order_relaxed);
}

struct replay *replay_new(const struct position *first, uint32_t count, size_t bytes)
{
    struct replay *replay = malloc(sizeof *replay + count * sizeof replay->frames[0]);

    if (!replay)
        return NULL;
    *replay = (struct replay){.count = count, .first = *first, .bytes = bytes};
    atomic_init(&replay->refs, 1);
    change_total(bytes, true);
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
    change_total(gone->bytes, false);
    for (uint32_t i = 0; i < gone->count; i++)
        frame_unref(&gone->frames[i]);
    free(gone);
}
