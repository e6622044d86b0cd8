#include <roomcast/base/log.h>

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>

#include "log_line.h"

static struct {
    enum log_level least;
    enum log_format format;
    char node[LOG_VALUE_MAX];
} settings = {.least = LOG_INFO, .format = LOG_LOGFMT}; /* immutable after log_init() */

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(enum log_level least, enum log_format format, const char *node)
{
    settings.least = least;
    settings.format = format;
    snprintf(settings.node, sizeof settings.node, "%s", node ? node : "");
}

bool log_enabled(enum log_level level)
{
    return level >= settings.least;
}

static void write_all(const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        /* Nobody can be told that the log cannot be written, and waiting for it would stop the loop. */
        if (written <= 0)
            return;
        bytes += written;
        len -= (size_t)written;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    struct log_line line;
    char ts[CLOCK_TEXT_SIZE];

    if (level == LOG_WARN)
        metrics_inc(METRIC_LOG_LINES_WARN);
    else if (level == LOG_ERROR)
        metrics_inc(METRIC_LOG_LINES_ERROR);
    clock_format(clock_wall_ms(), ts);
    log_line_begin(&line, settings.format);
    log_line_add(&line, &LOG_TEXT("ts", ts));
    log_line_add(&line, &LOG_TEXT("level", level_names[level]));
    log_line_add(&line, &LOG_TEXT("event", event));
    if (settings.node[0])
        log_line_add(&line, &LOG_TEXT("node", settings.node));
    for (size_t i = 0; i < count; i++)
        log_line_add(&line, &fields[i]);
    log_line_end(&line);
    write_all(line.bytes, line.len);
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, uint64_t *ret_suppressed)
{
    uint64_t next = atomic_load_explicit(&limit->next_ms, memory_order_relaxed);

    /* Of several threads that find the interval over, the one whose exchange succeeds writes the line. */
    if (now_ms < next ||
        !atomic_compare_exchange_strong_explicit(&limit->next_ms, &next, now_ms + limit->interval_ms,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *ret_suppressed = atomic_exchange_explicit(&limit->suppressed, 0, memory_order_relaxed);
    return true;
}
