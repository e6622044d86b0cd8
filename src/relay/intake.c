#include "intake.h"

#include <stdio.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/text.h>
#include <roomcast/base/uuid.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/revocation_request.h>

/* What an envelope may carry as its source. */
static struct slice usable_source(struct slice source)
{
    if (source.len > SOURCE_MAX)
        source.len = SOURCE_MAX;
    return text_is_plain(source) ? source : SLICE_LITERAL("");
}

static enum intake_verdict skip(const char *reason)
{
    metrics_inc(METRIC_RELAY_SKIPPED);
    log_debug("event_skipped", LOG_TEXT("reason", reason));
    return INTAKE_SKIPPED;
}

static bool is_too_big(const struct intake *intake, struct slice text, char *reason)
{
    if (text.len <= intake->max_event_bytes)
        return false;
    snprintf(reason, INTAKE_REASON_SIZE, "it has %zu bytes, more than relay.max_event_bytes (%zu)", text.len,
             intake->max_event_bytes);
    return true;
}

/* The event goes its way; that somebody keeps a right is worth a word. */
static void report_change(const struct domain_event *domain, const char *reason)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;

    metrics_inc(METRIC_RELAY_REVOCATIONS_BAD);
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("revocation_bad", LOG_SLICE("event_type", domain->event_type), LOG_TEXT("reason", reason),
                 LOG_TEXT("effect", "nobody's rights are changed"), LOG_U64("suppressed", suppressed));
}

enum intake_verdict intake_check(const struct intake *intake, struct slice text, struct slice fallback_id,
                                 struct slice source, struct relay_event **ret_event, char *reason)
{
    struct domain_event domain;
    struct uuid uuid;
    char random_id[UUID_TEXT_SIZE];

    if (is_too_big(intake, text, reason))
        return INTAKE_TOO_BIG;
    enum err err = domain_event_parse(text, intake->map, &domain, reason);
    if (err == ERR_UNKNOWN)
        return skip(reason);
    if (err != ERR_OK)
        return err_category(err) == ERR_CATEGORY_PEER ? INTAKE_BAD : INTAKE_NO_MEMORY;
    if (domain.change_failed)
        report_change(&domain, reason);
    struct slice id = domain.id.len ? domain.id : fallback_id;
    if (id.len == 0) {
        uuid_generate_random(&uuid);
        uuid_format(&uuid, random_id);
        id = slice_of(random_id);
    }
    struct relay_event *event = relay_event_new(&domain, text, id, usable_source(source));
    domain_event_release(&domain);
    if (!event)
        return INTAKE_NO_MEMORY;
    *ret_event = event;
    return INTAKE_TAKEN;
}

enum intake_verdict intake_check_revocation(const struct intake *intake, struct slice text,
                                            struct slice source, struct relay_event **ret_event, char *reason)
{
    struct domain_event domain = {.change = EVENT_REVOKES_ACCESS};

    if (is_too_big(intake, text, reason))
        return INTAKE_TOO_BIG;
    enum err err = revocation_request_parse(text, &domain.revocation, reason);
    if (err != ERR_OK)
        return err_category(err) == ERR_CATEGORY_PEER ? INTAKE_BAD : INTAKE_NO_MEMORY;
    *ret_event = relay_event_new(&domain, text, SLICE_LITERAL(""), source);
    return *ret_event ? INTAKE_TAKEN : INTAKE_NO_MEMORY;
}
