#include "event.h"

#include <stdlib.h>

#include <roomcast/base/metrics.h>

static struct slice copy(char **at, struct slice from)
{
    struct slice to = {*at, from.len};

    if (from.len)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    *(*at)++ = '\0';
    return to;
}

struct relay_event *relay_event_new(const struct domain_event *domain, struct slice text, struct slice id,
                                    struct slice source)
{
    size_t size = text.len + id.len + source.len + domain->occurred_at.len + domain->correlation_id.len +
                  domain->traceparent.len + 6;
    struct relay_event *event = calloc(1, sizeof *event + size);

    if (!event)
        return NULL;
    if (domain->change != EVENT_CHANGES_NOTHING && !(event->revocation = malloc(sizeof *event->revocation))) {
        free(event);
        return NULL;
    }
    if (event->revocation)
        *event->revocation = domain->revocation;
    event->change = domain->change;
    char *at = event->bytes;
    event->item.kind = LANES_ITEM_EVENT;
    event->room = domain->room;
    event->rule = domain->rule;
    event->text = copy(&at, text);
    event->id = copy(&at, id);
    event->source = copy(&at, source);
    event->occurred_at = copy(&at, domain->occurred_at);
    event->correlation_id = copy(&at, domain->correlation_id);
    event->traceparent = copy(&at, domain->traceparent);
    /* The payload lies in the text, or is a literal "null" when the event had none. */
    if (domain->payload.data >= text.data && domain->payload.data < text.data + text.len)
        event->payload =
            (struct slice){event->text.data + (domain->payload.data - text.data), domain->payload.len};
    else
        event->payload = SLICE_LITERAL("null");
    event->in_lane.id = event->id;
    metrics_change(METRIC_RELAY_IN_FLIGHT, 1);
    return event;
}

void relay_event_free(struct relay_event **event)
{
    if (!*event)
        return;
    free((*event)->revocation);
    free(*event);
    *event = NULL;
    metrics_change(METRIC_RELAY_IN_FLIGHT, -1);
}
