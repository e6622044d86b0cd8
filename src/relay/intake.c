#include "intake.h"

#include <stdio.h>

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/text.h>
#include <roomcast/base/uuid.h>
#include <roomcast/wire/envelope.h>

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

enum intake_verdict intake_check(const struct intake *intake, struct slice text, struct slice fallback_id,
                                 struct slice source, struct relay_event **ret_event, char *reason)
{
    struct domain_event domain;
    struct uuid uuid;
    char random_id[UUID_TEXT_SIZE];

    if (text.len > intake->max_event_bytes) {
        snprintf(reason, INTAKE_REASON_SIZE, "the event has %zu bytes, more than relay.max_event_bytes (%zu)",
                 text.len, intake->max_event_bytes);
        return INTAKE_TOO_BIG;
    }
    enum err err = domain_event_parse(text, intake->map, &domain, reason);
    if (err == ERR_UNKNOWN)
        return skip(reason);
    if (err != ERR_OK)
        return err_category(err) == ERR_CATEGORY_PEER ? INTAKE_BAD : INTAKE_NO_MEMORY;
    if (!domain.rule) {
        domain_event_release(&domain);
        return skip("no client hears of access.revoked");
    }
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
