#include "redis_watch.h"

#include <stdio.h>
#include <string.h>

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

static const char *const names[] = {[REDIS_LINK_STREAM] = "stream", [REDIS_LINK_PUBSUB] = "pubsub"};

void redis_watch_init(struct redis_watch *watch, bool optional)
{
    memset(watch, 0, sizeof *watch);
    pthread_mutex_init(&watch->lock, NULL);
    watch->optional = optional;
}

void redis_watch_fini(struct redis_watch *watch)
{
    pthread_mutex_destroy(&watch->lock);
}

static void set_gauge_locked(const struct redis_watch *watch)
{
    bool up = false, down = false;

    for (int link = 0; link < REDIS_LINK_COUNT; link++) {
        up |= watch->links[link].used && watch->links[link].up;
        down |= watch->links[link].used && !watch->links[link].up;
    }
    metrics_set(METRIC_REDIS_UP, up && !down);
}

void redis_watch_use(struct redis_watch *watch, enum redis_link link)
{
    pthread_mutex_lock(&watch->lock);
    watch->links[link].used = true;
    snprintf(watch->links[link].problem, sizeof watch->links[link].problem, "not connected yet");
    pthread_mutex_unlock(&watch->lock);
}

void redis_watch_leave(struct redis_watch *watch, enum redis_link link)
{
    pthread_mutex_lock(&watch->lock);
    watch->links[link].used = watch->links[link].up = watch->links[link].known = false;
    set_gauge_locked(watch);
    pthread_mutex_unlock(&watch->lock);
}

static void log_change(const struct redis_watch *watch, enum redis_link link, bool up, const char *problem)
{
    if (up)
        log_info("redis_up", LOG_TEXT("connection", names[link]));
    else if (watch->optional)
        log_info("redis_absent", LOG_TEXT("connection", names[link]), LOG_TEXT("problem", problem));
    else
        log_warn("redis_down", LOG_TEXT("connection", names[link]), LOG_TEXT("problem", problem));
}

void redis_watch_report(struct redis_watch *watch, enum redis_link link, bool up, const char *problem)
{
    pthread_mutex_lock(&watch->lock);
    bool changed = !watch->links[link].known || watch->links[link].up != up;
    watch->links[link].known = true;
    watch->links[link].up = up;
    snprintf(watch->links[link].problem, sizeof watch->links[link].problem, "%s", problem ? problem : "");
    set_gauge_locked(watch);
    pthread_mutex_unlock(&watch->lock);
    if (changed)
        log_change(watch, link, up, problem);
}

bool redis_watch_ready(struct redis_watch *watch, struct buffer *missing)
{
    bool ready = true;

    if (watch->optional)
        return true;
    pthread_mutex_lock(&watch->lock);
    for (int link = 0; link < REDIS_LINK_COUNT; link++)
        if (watch->links[link].used && !watch->links[link].up) {
            buffer_appendf(missing, "redis (%s): %s\n", names[link], watch->links[link].problem);
            ready = false;
        }
    pthread_mutex_unlock(&watch->lock);
    return ready;
}
