/* Structured log: one line per event on standard error, logfmt or JSON.
 *
 *   log_info("session_opened", LOG_TEXT("user", user), LOG_U64("rooms", rooms));
 *   ts=2026-11-23T10:15:30.123Z level=info event=session_opened node=roomcast-0 user=... rooms=3
 *
 * Never given to it: tokens, keys, message bodies. Values are escaped and cut at LOG_VALUE_MAX bytes, so no
 * input can forge a line. Thread: any; one write(2) per line. A function logs an error or returns it, not
 * both. */
#ifndef ROOMCAST_BASE_LOG_H
#define ROOMCAST_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/slice.h>

#define LOG_VALUE_MAX 512 /* bytes of one value */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *name; /* snake_case literal */
    enum { LOG_FIELD_SLICE, LOG_FIELD_U64, LOG_FIELD_I64, LOG_FIELD_BOOL } kind;
    union {
        struct slice slice;
        uint64_t u64;
        int64_t i64;
        bool boolean;
    };
};

#define LOG_TEXT(field, value)                                                                               \
    ((struct log_field){.name = (field), .kind = LOG_FIELD_SLICE, .slice = slice_of(value)})
#define LOG_SLICE(field, value)                                                                              \
    ((struct log_field){.name = (field), .kind = LOG_FIELD_SLICE, .slice = (value)})
#define LOG_U64(field, value) ((struct log_field){.name = (field), .kind = LOG_FIELD_U64, .u64 = (value)})
#define LOG_I64(field, value) ((struct log_field){.name = (field), .kind = LOG_FIELD_I64, .i64 = (value)})
#define LOG_BOOL(field, value)                                                                               \
    ((struct log_field){.name = (field), .kind = LOG_FIELD_BOOL, .boolean = (value)})

/* Once, before other threads start. `node` is copied and put on every line; NULL for none. */
void log_init(enum log_level least, enum log_format format, const char *node);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

#define LOG_EVENT(level, event, ...)                                                                         \
    do {                                                                                                     \
        if (log_enabled(level)) {                                                                            \
            const struct log_field log_fields_[] = {{.name = NULL}, ##__VA_ARGS__};                          \
            log_write((level), (event), log_fields_ + 1, sizeof log_fields_ / sizeof log_fields_[0] - 1);    \
        }                                                                                                    \
    } while (0)
#define log_debug(event, ...) LOG_EVENT(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)  LOG_EVENT(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...)  LOG_EVENT(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG_EVENT(LOG_ERROR, event, ##__VA_ARGS__)

/* For what strangers can provoke: at most one line per `interval_ms` from this place in the code; the next
 * line says in `suppressed` how many were left out.
 *
 *   static struct log_limit limit = LOG_LIMIT(1000);
 *   uint64_t suppressed;
 *   if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
 *       log_warn("envelope_rejected", ..., LOG_U64("suppressed", suppressed)); */
struct log_limit {
    uint64_t interval_ms;
    _Atomic uint64_t next_ms;
    _Atomic uint64_t suppressed;
};
#define LOG_LIMIT(ms)                                                                                        \
    {                                                                                                        \
        .interval_ms = (ms)                                                                                  \
    }
bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, uint64_t *ret_suppressed);

#endif
