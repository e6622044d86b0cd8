#include "beat.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/base/usage.h>
#include <roomcast/config/config.h>
#include <roomcast/wire/heartbeat.h>
#include <roomcast/wire/subject.h>

#define TICK_MS      100 /* how soon a change is told */
#define RANDOM_LEN   8   /* of the instance: tells this process from the one before and after it */
#define JITTER_PARTS 20  /* a beat comes up to so small a part of the interval sooner or later */
#define LOG_EVERY_MS 60000

struct beat {
    struct loop *loop;
    struct loop_timer *tick; /* owned */
    struct bus *bus;
    struct tenure *tenure;
    const char *listen;
    char subject[SUBJECT_SIZE];
    char name[HEARTBEAT_NAME_MAX + 1];
    char instance[HEARTBEAT_INSTANCE_MAX + 1];
    uint64_t interval_ms, born_ms;
    _Atomic unsigned port; /* 0: it does not listen yet */
    /* the loop's thread */
    uint64_t number, next_ms;
    bool was_up, was_active;
    uint64_t sample_us, sample_cpu_us; /* what the processor time of a beat counts from */
    struct buffer encoded;
};

static void write_admin(const struct beat *beat, char *text)
{
    char host[256];
    uint16_t port;
    if (config_split_address(beat->listen, host, &port) != ERR_OK)
        return;
    bool is_v6 = strchr(host, ':') != NULL;
    snprintf(text, HEARTBEAT_ADMIN_MAX + 1, "%s%s%s:%u", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
             atomic_load(&beat->port));
}

static uint64_t cpu_permille(struct beat *beat)
{
    uint64_t now_us = clock_monotonic_us(), cpu_us = usage_cpu_us(), elapsed_us = now_us - beat->sample_us;
    uint64_t permille = elapsed_us > 0 ? (cpu_us - beat->sample_cpu_us) * 1000 / elapsed_us : 0;
    beat->sample_us = now_us;
    beat->sample_cpu_us = cpu_us;
    return permille;
}

static uint64_t count_of(enum metric metric)
{
    int64_t value = metrics_get(metric);
    return value > 0 ? (uint64_t)value : 0;
}

/* The one place where a beat of a relay is made and sent. */
static void send(struct beat *beat, enum heartbeat_state state)
{
    static struct log_limit limit = LOG_LIMIT(LOG_EVERY_MS);
    uint64_t suppressed, now_ms = clock_monotonic_ms();
    struct heartbeat message = {
        .kind = HEARTBEAT_OF_RELAY,
        .state = state,
        .number = ++beat->number,
        .interval_ms = beat->interval_ms,
        .cpu_permille = cpu_permille(beat),
        .memory_bytes = usage_memory_bytes(),
        .uptime_s = (now_ms - beat->born_ms) / 1000,
        .active = state == HEARTBEAT_SERVING && tenure_is_valid(beat->tenure),
        .in_flight = count_of(METRIC_RELAY_IN_FLIGHT),
        .stored_total = count_of(METRIC_RELAY_STORED),
        .lag_entries = count_of(METRIC_RELAY_LAG_ENTRIES),
        .lag_s = count_of(METRIC_RELAY_LAG_SECONDS),
        .dead_total = count_of(METRIC_RELAY_DEAD),
    };
    strcpy(message.instance, beat->instance);
    strcpy(message.name, beat->name);
    snprintf(message.release, sizeof message.release, "%s", ROOMCAST_VERSION);
    write_admin(beat, message.admin);
    buffer_clear(&beat->encoded);
    enum err err = heartbeat_encode(&message, &beat->encoded);
    if (err == ERR_OK)
        err = bus_publish(beat->bus, beat->subject, buffer_slice(&beat->encoded));
    /* Without the bus nobody can hear it, and that is told elsewhere. */
    if (err != ERR_OK && err != ERR_UNAVAILABLE && log_limit_pass(&limit, now_ms, &suppressed))
        log_warn("heartbeat_not_sent", LOG_TEXT("error", err_name(err)), LOG_U64("suppressed", suppressed));
    beat->was_active = message.active;
}

static void on_tick(void *context)
{
    struct beat *beat = context;
    uint64_t now_ms = loop_now_ms(beat->loop), jitter_ms = beat->interval_ms / JITTER_PARTS;
    bool is_up = bus_is_up(beat->bus), came_up = is_up && !beat->was_up;
    beat->was_up = is_up;
    if (atomic_load(&beat->port) == 0 || !is_up)
        return;
    if (now_ms < beat->next_ms && !came_up && tenure_is_valid(beat->tenure) == beat->was_active)
        return;
    send(beat, HEARTBEAT_SERVING);
    beat->next_ms = now_ms + beat->interval_ms - jitter_ms + random_below((uint32_t)(2 * jitter_ms) + 1);
}

enum err beat_new(const struct beat_options *options, struct beat **ret_beat)
{
    char random[RANDOM_LEN + 1];
    struct beat *beat = calloc(1, sizeof *beat);
    if (!beat)
        return ERR_NO_MEMORY;
    beat->loop = options->loop;
    beat->bus = options->bus;
    beat->tenure = options->tenure;
    beat->listen = options->listen;
    beat->interval_ms = options->interval_ms;
    beat->born_ms = clock_monotonic_ms();
    beat->sample_us = clock_monotonic_us();
    beat->sample_cpu_us = usage_cpu_us();
    buffer_init(&beat->encoded, HEARTBEAT_MAX_BYTES);
    subject_format_nodes(options->prefix, beat->subject);
    random_text(random, RANDOM_LEN);
    snprintf(beat->name, sizeof beat->name, "%s", options->name);
    snprintf(beat->instance, sizeof beat->instance, "%.80s.%s", options->name, random);
    enum err err = loop_timer_new(beat->loop, on_tick, beat, &beat->tick);
    if (err != ERR_OK) {
        beat_free(&beat);
        return err;
    }
    loop_timer_start(beat->tick, TICK_MS, TICK_MS);
    *ret_beat = beat;
    return ERR_OK;
}

const char *beat_instance(const struct beat *beat)
{
    return beat->instance;
}

void beat_begin(struct beat *beat, uint16_t port)
{
    atomic_store(&beat->port, port);
}

void beat_free(struct beat **pointer)
{
    struct beat *beat = *pointer;
    if (!beat)
        return;
    if (beat->number > 0)
        send(beat, HEARTBEAT_LEAVING);
    if (beat->tick)
        loop_timer_free(&beat->tick);
    buffer_fini(&beat->encoded);
    free(beat);
    *pointer = NULL;
}
