#include "parcel.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/wire/json_array.h>

static void refuse(struct parcel *parcel, unsigned status, enum error_code code)
{
    if (status != 503)
        metrics_inc(METRIC_RELAY_REJECTED);
    parcel->status = status;
    parcel->code = code;
}

static const char *word(const struct parcel *parcel)
{
    return parcel->kind == PARCEL_EVENTS ? "event" : "revocation";
}

static enum intake_verdict check(const struct intake *intake, const struct parcel *parcel, struct slice text,
                                 struct relay_event **ret_event, char *reason)
{
    if (parcel->kind == PARCEL_REVOCATIONS)
        return intake_check_revocation(intake, text, parcel->way->source, ret_event, reason);
    return intake_check(intake, text, SLICE_LITERAL(""), parcel->way->source, ret_event, reason);
}

static void add_event(const struct intake *intake, struct parcel *parcel, struct slice text, bool in_array)
{
    size_t index = parcel->count + parcel->skipped;
    char reason[INTAKE_REASON_SIZE];
    struct relay_event *event = NULL;

    metrics_inc(parcel->way->read);
    enum intake_verdict verdict = check(intake, parcel, text, &event, reason);
    switch (verdict) {
    case INTAKE_TAKEN:
        event->index = index;
        parcel->events[parcel->count++] = event;
        parcel->bytes += text.len;
        return;
    case INTAKE_SKIPPED:
        parcel->skipped++;
        return;
    case INTAKE_NO_MEMORY:
        snprintf(parcel->message, sizeof parcel->message, "out of memory");
        refuse(parcel, 503, ERROR_CODE_OVERLOADED);
        return;
    case INTAKE_BAD:
    case INTAKE_TOO_BIG:
        break;
    }
    if (in_array)
        snprintf(parcel->message, sizeof parcel->message, "%s %zu: %s; none was taken", word(parcel), index,
                 reason);
    else
        snprintf(parcel->message, sizeof parcel->message, "%s", reason);
    if (verdict == INTAKE_TOO_BIG)
        refuse(parcel, 413, ERROR_CODE_PAYLOAD_TOO_LARGE);
    else
        refuse(parcel, 400, ERROR_CODE_INVALID_EVENT);
}

static void add_array(const struct intake *intake, struct parcel *parcel, struct json_array *array)
{
    struct slice element;
    enum json_array_step step;

    while ((step = json_array_next(array, &element)) == JSON_ARRAY_ELEMENT) {
        if (parcel->count + parcel->skipped == parcel->max) {
            snprintf(parcel->message, sizeof parcel->message, "the array has more than %zu %ss", parcel->max,
                     word(parcel));
            refuse(parcel, 413, ERROR_CODE_PAYLOAD_TOO_LARGE);
            return;
        }
        add_event(intake, parcel, element, true);
        if (parcel->status)
            return;
    }
    if (step == JSON_ARRAY_END && parcel->count + parcel->skipped > 0)
        return;
    snprintf(parcel->message, sizeof parcel->message, "%s",
             step == JSON_ARRAY_END ? "the array is empty" : "the array is not valid JSON; none was taken");
    refuse(parcel, 400, ERROR_CODE_INVALID_EVENT);
}

void parcel_read(const struct intake *intake, const struct parcel_way *way, enum parcel_kind kind,
                 struct slice body, size_t max, struct parcel *parcel)
{
    struct json_array array;

    *parcel = (struct parcel){.kind = kind, .way = way, .max = max};
    parcel->events = calloc(parcel->max, sizeof(struct relay_event *));
    if (!parcel->events) {
        snprintf(parcel->message, sizeof parcel->message, "out of memory");
        refuse(parcel, 503, ERROR_CODE_OVERLOADED);
    } else if (json_array_open(&array, body)) {
        add_array(intake, parcel, &array);
    } else {
        add_event(intake, parcel, body, false);
    }
}

void parcel_fini(struct parcel *parcel)
{
    for (size_t i = 0; i < parcel->count; i++)
        relay_event_free(&parcel->events[i]);
    free(parcel->events);
}
