/* What has come to its end: back from the lanes, buried, acknowledged. */
#include "source_stream_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "dead_letter.h"

/* --- finished events --- */

void source_stream_on_done(struct relay_event *event)
{
    struct source_stream *source = event->context;

    /* The inbox is never closed, so it always takes the event. */
    if (!inbox_put(&source->finished, &event->item.item))
        abort();
}

static void settle_event(struct source_stream *source, struct relay_event *event)
{
    static const enum entry_state states[] = {
        [EVENT_STORED] = ENTRY_FINISHED,
        [EVENT_REFUSED] = ENTRY_REFUSED,
        [EVENT_ABANDONED] = ENTRY_FORGOTTEN,
    };
    struct stream_entry *entry = event->entry;

    stream_table_settle(&source->table, entry, states[event->outcome]);
    if (event->outcome == EVENT_ABANDONED)
        source_stream_halt(source);
    if (event->outcome == EVENT_REFUSED)
        entry->event = event;
    else
        relay_event_free(&event);
}

void source_stream_settle(struct source_stream *source)
{
    struct inbox_item *item = inbox_take(&source->finished);

    while (item) {
        struct inbox_item *next = item->next;
        settle_event(source, (struct relay_event *)(void *)item);
        item = next;
    }
}

/* --- acknowledging --- */

enum err source_stream_bury(struct source_stream *source, const char *reason, const char *id,
                            struct slice text)
{
    char origin[sizeof source->after + 264];
    int len = snprintf(origin, sizeof origin, "%s %s", source->group.stream, id);
    const struct dead_letter letter = {reason, {origin, (size_t)len}, text};

    return dead_letter_write(source->context.config, source->client, &letter);
}

/* False when the connection is gone. */
static bool bury_refused(struct source_stream *source)
{
    for (struct stream_entry *entry = source->table.settled; entry; entry = entry->next) {
        if (entry->state != ENTRY_REFUSED)
            continue;
        enum err err = source_stream_bury(source, entry->event->problem, entry->id, entry->event->text);
        if (err != ERR_OK && !redis_client_is_connected(source->client))
            return false;
        relay_event_free(&entry->event);
        entry->state = err == ERR_OK ? ENTRY_FINISHED : ENTRY_FORGOTTEN;
        if (err != ERR_OK)
            source_stream_reread_later(source);
    }
    return true;
}

bool source_stream_flush(struct source_stream *source)
{
    bool good = bury_refused(source);

    while (good) {
        size_t count = stream_table_finished(&source->table, source->ids, STREAM_ACK_BATCH);
        if (count > 0)
            good = redis_ack(source->client, &source->group, source->ids, count) == ERR_OK;
        if (good)
            stream_table_sweep(&source->table, count);
        if (count < STREAM_ACK_BATCH)
            break;
    }
    if (!good)
        source_stream_lost(source);
    return good;
}
