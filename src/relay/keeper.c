#include "keeper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>

#include "backoff.h"
#include "wakeup.h"

#define PROBLEM_SIZE 256
#define LEAST_GAP_MS 5000 /* between two looks at a stream that was found */
#define SLEEP_MS     3600000

struct keeper {
    struct keeper_options options; /* immutable */
    struct log_limit conflicts;
    struct wakeup wakeup;
    atomic_bool stopping, suspected;
    pthread_mutex_t lock;
    bool ready;                 /* under lock */
    char problem[PROBLEM_SIZE]; /* under lock */
    pthread_t thread;
    bool started; /* main thread only */
};

static void report(struct keeper *keeper, enum err err, bool changed, const char *problem)
{
    const char *stream = keeper->options.stream;
    uint64_t suppressed;

    if (err == ERR_OK && changed)
        log_info("stream_ready", LOG_TEXT("stream", stream),
                 LOG_U64("shards", bus_shards_count(keeper->options.bus)));
    else if (err == ERR_CONFLICT && log_limit_pass(&keeper->conflicts, clock_monotonic_ms(), &suppressed))
        log_error("stream_conflict", LOG_TEXT("stream", stream), LOG_TEXT("problem", problem),
                  LOG_TEXT("action", "make the configuration what it was when the stream was made, or remove "
                                     "what is in its way (cluster/OPERATING.md: Several streams)"));
    else if (err != ERR_OK && err != ERR_CONFLICT && changed)
        log_warn("stream_unavailable", LOG_TEXT("stream", stream), LOG_TEXT("problem", problem));
}

/* Returns how long to sleep. */
static uint64_t look(struct keeper *keeper, struct backoff *backoff)
{
    char problem[PROBLEM_SIZE] = "";

    atomic_store(&keeper->suspected, false);
    enum err err = bus_ensure_stream(keeper->options.bus, &keeper->options.shape, problem);
    if (err != ERR_OK && problem[0] == '\0')
        snprintf(problem, sizeof problem, "%s", err_text(err));
    pthread_mutex_lock(&keeper->lock);
    bool changed = keeper->ready != (err == ERR_OK) || strcmp(keeper->problem, problem) != 0;
    keeper->ready = err == ERR_OK;
    memcpy(keeper->problem, problem, sizeof problem);
    pthread_mutex_unlock(&keeper->lock);
    report(keeper, err, changed, problem);
    if (err == ERR_OK) {
        backoff_succeed(backoff);
        backoff->next_ms = clock_monotonic_ms() + LEAST_GAP_MS;
        return SLEEP_MS;
    }
    backoff_fail(backoff, clock_monotonic_ms());
    return backoff->wait_ms;
}

static void *run(void *context)
{
    struct keeper *keeper = context;
    struct backoff backoff = {.next_ms = 0};
    uint64_t sleep_ms = 0;

    while (!atomic_load(&keeper->stopping)) {
        uint64_t left = backoff_left(&backoff, clock_monotonic_ms());
        if (left == 0 && (sleep_ms != SLEEP_MS || atomic_load(&keeper->suspected)))
            sleep_ms = look(keeper, &backoff);
        else
            wakeup_wait(&keeper->wakeup, left ? left : sleep_ms);
    }
    return NULL;
}

enum err keeper_new(const struct keeper_options *options, struct keeper **ret_keeper)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);

    if (!keeper)
        return ERR_NO_MEMORY;
    keeper->options = *options;
    keeper->conflicts = (struct log_limit)LOG_LIMIT(60000);
    wakeup_init(&keeper->wakeup);
    pthread_mutex_init(&keeper->lock, NULL);
    snprintf(keeper->problem, sizeof keeper->problem, "not looked at yet");
    if (pthread_create(&keeper->thread, NULL, run, keeper) != 0) {
        keeper_free(&keeper);
        return ERR_IO;
    }
    keeper->started = true;
    *ret_keeper = keeper;
    return ERR_OK;
}

void keeper_suspect(void *context)
{
    struct keeper *keeper = context;

    if (!atomic_exchange(&keeper->suspected, true))
        wakeup_raise(&keeper->wakeup);
}

bool keeper_ready(struct keeper *keeper, struct buffer *missing)
{
    pthread_mutex_lock(&keeper->lock);
    bool ready = keeper->ready;
    if (!ready)
        buffer_appendf(missing, "%s: %s\n", keeper->options.what, keeper->problem);
    pthread_mutex_unlock(&keeper->lock);
    return ready;
}

void keeper_stop(struct keeper *keeper)
{
    atomic_store(&keeper->stopping, true);
    wakeup_raise(&keeper->wakeup);
}

void keeper_free(struct keeper **pointer)
{
    struct keeper *keeper = *pointer;

    if (!keeper)
        return;
    if (keeper->started) {
        keeper_stop(keeper);
        pthread_join(keeper->thread, NULL);
    }
    wakeup_fini(&keeper->wakeup);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper);
    *pointer = NULL;
}
