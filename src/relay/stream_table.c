#include "stream_table.h"

#include <stdio.h>
#include <stdlib.h>

struct stream_entry *stream_table_add(struct stream_table *table, const char *id, enum entry_state state,
                                      size_t bytes)
{
    struct stream_entry *entry = calloc(1, sizeof *entry);

    if (!entry)
        return NULL;
    snprintf(entry->id, sizeof entry->id, "%s", id);
    entry->state = state;
    entry->bytes = bytes;
    HASH_ADD_STR(table->entries, id, entry);
    if (!entry->hh.tbl) {
        free(entry);
        return NULL;
    }
    table->count++;
    if (state == ENTRY_IN_LANES) {
        table->in_lanes++;
        table->bytes_in_lanes += bytes;
    } else {
        entry->next = table->settled;
        table->settled = entry;
    }
    return entry;
}

bool stream_table_has(const struct stream_table *table, const char *id)
{
    struct stream_entry *entry;

    HASH_FIND_STR(table->entries, id, entry);
    return entry != NULL;
}

void stream_table_settle(struct stream_table *table, struct stream_entry *entry, enum entry_state state)
{
    entry->state = state;
    entry->next = table->settled;
    table->settled = entry;
    table->in_lanes--;
    table->bytes_in_lanes -= entry->bytes;
}

size_t stream_table_finished(const struct stream_table *table, const char **ids, size_t max)
{
    size_t count = 0;

    for (const struct stream_entry *entry = table->settled; entry && count < max; entry = entry->next)
        if (entry->state == ENTRY_FINISHED)
            ids[count++] = entry->id;
    return count;
}

static void remove_entry(struct stream_table *table, struct stream_entry *entry)
{
    HASH_DEL(table->entries, entry);
    relay_event_free(&entry->event);
    free(entry);
    table->count--;
}

void stream_table_sweep(struct stream_table *table, size_t acknowledged)
{
    struct stream_entry **at = &table->settled;

    while (*at) {
        struct stream_entry *entry = *at;
        bool finished = entry->state == ENTRY_FINISHED && acknowledged > 0;

        if (!finished && entry->state != ENTRY_FORGOTTEN) {
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        if (finished)
            acknowledged--;
        remove_entry(table, entry);
    }
}

void stream_table_fini(struct stream_table *table)
{
    struct stream_entry *entry, *next;

    HASH_ITER(hh, table->entries, entry, next)
    remove_entry(table, entry);
    *table = (struct stream_table){.entries = NULL};
}
