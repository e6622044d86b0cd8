#include "serving.h"

#include <signal.h>
#include <time.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>

#include "signals.h"

#define LOOK_MS     100 /* for a POST /drain, which reaches another thread */
#define DRAIN_MS    20  /* for the end of the drain */
#define PROGRESS_MS 5000

static void wait_for_signal(struct serving *serving, unsigned timeout_ms)
{
    int number = signals_wait_ms(timeout_ms);
    if (number == 0)
        return;
    if (number == SIGHUP && serving->reloads) {
        log_info("reloading", LOG_I64("signal", number));
        node_reload(serving->node);
        return;
    }
    signals_release();
    serving->is_released = true;
    log_info("stopping", LOG_I64("signal", number), LOG_TEXT("next", "ends the process at once"));
}

void serving_wait(struct serving *serving)
{
    while (!node_is_draining(serving->node)) {
        wait_for_signal(serving, LOOK_MS);
        if (serving->is_released)
            node_drain(serving->node, "signal");
    }
}

static void wait_a_moment(struct serving *serving)
{
    const struct timespec pause = {.tv_nsec = DRAIN_MS * 1000 * 1000};
    if (serving->is_released)
        nanosleep(&pause, NULL);
    else
        wait_for_signal(serving, DRAIN_MS);
}

void serving_drain(struct serving *serving)
{
    uint64_t told_ms = clock_monotonic_ms();
    while (!node_drain_is_over(serving->node)) {
        wait_a_moment(serving);
        if (clock_monotonic_ms() < told_ms + PROGRESS_MS)
            continue;
        told_ms = clock_monotonic_ms();
        log_info("drain_progress", LOG_U64("left", node_clients(serving->node)));
    }
}
