#include "backlog.h"

#include <stdlib.h>

void backlog_init(struct backlog *backlog, size_t max_count, size_t max_bytes)
{
    *backlog = (struct backlog){.max_count = max_count, .max_bytes = max_bytes};
    backlog->last = &backlog->first;
}

void backlog_fini(struct backlog *backlog)
{
    struct backlog_item *item;

    while ((item = backlog_take(backlog)) != NULL)
        free(item);
}

static size_t cost(const struct backlog_item *item)
{
    return item->source.len + item->text.len;
}

bool backlog_add(struct backlog *backlog, struct slice source, struct slice text)
{
    size_t size = source.len + text.len;

    if (backlog->count >= backlog->max_count || size > backlog->max_bytes - backlog->bytes)
        return false;
    struct backlog_item *item = malloc(sizeof *item + size);
    if (!item)
        return false;
    if (source.len)
        memcpy(item->bytes, source.data, source.len);
    if (text.len)
        memcpy(item->bytes + source.len, text.data, text.len);
    item->source = (struct slice){item->bytes, source.len};
    item->text = (struct slice){item->bytes + source.len, text.len};
    item->next = NULL;
    *backlog->last = item;
    backlog->last = &item->next;
    backlog->count++;
    backlog->bytes += size;
    return true;
}

struct backlog_item *backlog_take(struct backlog *backlog)
{
    struct backlog_item *item = backlog->first;

    if (!item)
        return NULL;
    backlog->first = item->next;
    if (!backlog->first)
        backlog->last = &backlog->first;
    backlog->count--;
    backlog->bytes -= cost(item);
    return item;
}
