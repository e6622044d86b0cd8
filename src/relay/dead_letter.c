#include "dead_letter.h"

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

static void log_rejected(const struct dead_letter *letter)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;

    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("event_rejected", LOG_TEXT("reason", letter->reason), LOG_SLICE("source", letter->source),
                 LOG_U64("bytes", letter->text.len), LOG_U64("suppressed", suppressed));
}

static void log_failed(struct redis_client *client)
{
    static struct log_limit limit = LOG_LIMIT(5000);
    uint64_t suppressed;

    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_error("dead_letter_failed", LOG_TEXT("problem", redis_client_problem(client)),
                  LOG_U64("suppressed", suppressed));
}

enum err dead_letter_write(const struct config *config, struct redis_client *client,
                           const struct dead_letter *letter)
{
    char ts[CLOCK_TEXT_SIZE];
    struct slice text = letter->text;
    struct redis_field fields[5] = {{"reason", slice_of(letter->reason)}, {"source", letter->source}};
    size_t count = 2;

    clock_format(clock_wall_ms(), ts);
    fields[count++] = (struct redis_field){"ts", slice_of(ts)};
    if (text.len > config->relay_max_event_bytes) {
        text.len = config->relay_max_event_bytes;
        fields[count++] = (struct redis_field){"truncated", SLICE_LITERAL("1")};
    }
    fields[count++] = (struct redis_field){"event", text};
    enum err err = redis_add(client, config->redis_dead_stream, config->redis_dead_max, fields, count);
    if (err != ERR_OK) {
        log_failed(client);
        return err;
    }
    metrics_inc(METRIC_RELAY_DEAD);
    log_rejected(letter);
    return ERR_OK;
}
