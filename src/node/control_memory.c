/* The memory ceiling (option memory.max, or that of the cgroup): load is shed before the kernel kills.
 *
 *   core/memory_pressure.h says how bad it is: SHRINKING halves what the hub keeps for
 * replay, again and again, REFUSING is seen by who takes handshakes (shared.memory_stage), and CLOSING has
 * the workers close the clients with the most in their queues, of those that take in nothing. What was freed
 * goes back to the kernel before it is measured again: freed and kept would look like used. */
#include "control_internal.h"

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/usage.h>

#define SHED_EVERY_MS 250 /* so that what the last step did shows */
#define CLOSES_PER_STEP                                                                                      \
    64u /* of the worker with the most in its queues; the others less, by what they have */

static void begin_with(struct control *control, uint64_t max_bytes, const char *from)
{
    control->memory.max_bytes = max_bytes;
    metrics_set(METRIC_MEMORY_MAX, (int64_t)max_bytes);
    log_info("memory_ceiling", LOG_U64("bytes", max_bytes), LOG_TEXT("from", from));
}

void control_begin_memory(struct control *control)
{
    struct control_memory *memory = &control->memory;
    uint64_t option = control->node->shared.config->memory_max;
    bool has_group = cgroup_memory_find(&memory->group);
    memory->is_of_group = option == 0 && has_group;
    if (option > 0)
        begin_with(control, option, "memory.max");
    else if (has_group)
        begin_with(control, memory->group.limit_bytes, memory->group.group);
    if (option > 0 && has_group && memory->group.limit_bytes < option)
        log_warn("memory_max_too_high", LOG_U64("memory_max", option),
                 LOG_U64("cgroup_bytes", memory->group.limit_bytes), LOG_TEXT("cgroup", memory->group.group),
                 LOG_TEXT("meaning", "the kernel kills before the ceiling is reached: lower memory.max, or "
                                     "set it to 0 to take the cgroup's limit"));
}

/* --- what is given up --- */

static void shrink_history(struct control *control)
{
    uint64_t kept = (uint64_t)metrics_get(METRIC_HISTORY_BYTES);
    hub_limit_history(control->node->hub, kept / 2);
}

static void order_closes(struct worker *worker, uint64_t bytes)
{
    const struct worker_order relieve = {.kind = ORDER_RELIEVE, .bytes = bytes};
    if (bytes > 0 && worker_give_order(worker, &relieve) != ERR_OK)
        log_error("out_of_memory", LOG_TEXT("doing", "closing slow clients"));
}

/* Each worker closes by its share of what is queued. In KiB, so that the product does not overflow. */
static void close_slow(struct node *node, uint64_t bytes)
{
    uint64_t queued[WORKERS_MAX], all = 0;
    for (unsigned i = 0; i < node->workers_count; i++)
        all += queued[i] = worker_queued_bytes(node->workers[i]) / 1024;
    for (unsigned i = 0; all > 0 && i < node->workers_count; i++)
        order_closes(node->workers[i], (bytes / 1024 * queued[i] / all) * 1024);
}

static void shed(struct control *control, uint64_t used_bytes)
{
    struct control_memory *memory = &control->memory;
    if (memory->stage < MEMORY_SHRINKING || control->now_ms < memory->shed_at_ms)
        return;
    memory->shed_at_ms = control->now_ms + SHED_EVERY_MS;
    shrink_history(control);
    if (memory->stage == MEMORY_CLOSING)
        close_slow(control->node, memory_excess(used_bytes, memory->max_bytes));
}

/* --- how it is --- */

static uint64_t measure(struct control *control)
{
    struct control_memory *memory = &control->memory;
    if (memory->stage >= MEMORY_SHRINKING && control->now_ms >= memory->shed_at_ms)
        usage_memory_trim();
    return memory->is_of_group ? cgroup_memory_used(&memory->group) : usage_memory_bytes();
}

static void enter(struct control *control, enum memory_stage stage, uint64_t used_bytes)
{
    struct control_memory *memory = &control->memory;
    enum memory_stage before = memory->stage;
    if (stage == before)
        return;
    memory->stage = stage;
    atomic_store(&control->node->shared.memory_stage, stage);
    metrics_set(METRIC_MEMORY_PRESSURE, stage);
    if (stage < MEMORY_SHRINKING)
        hub_limit_history(control->node->hub, UINT64_MAX);
    LOG_EVENT(stage > before ? LOG_WARN : LOG_INFO, "memory_pressure",
              LOG_TEXT("stage", memory_stage_name(stage)), LOG_TEXT("before", memory_stage_name(before)),
              LOG_U64("used_bytes", used_bytes), LOG_U64("max_bytes", memory->max_bytes));
}

void control_watch_memory(struct control *control)
{
    struct control_memory *memory = &control->memory;
    if (memory->max_bytes == 0 || control->now_ms < memory->look_at_ms)
        return;
    memory->look_at_ms = control->now_ms + CONTROL_TICK_MS / 2; /* once a tick, whatever else makes a turn */
    uint64_t used_bytes = measure(control);
    metrics_set(METRIC_MEMORY_USED, (int64_t)used_bytes);
    enter(control, memory_stage_next(memory->stage, used_bytes, memory->max_bytes), used_bytes);
    shed(control, used_bytes);
}
