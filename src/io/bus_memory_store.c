#include "bus_memory_store.h"

#include <stdlib.h>
#include <utlist.h>

void memory_store_init(struct memory_store *store, size_t max_bytes)
{
    *store = (struct memory_store){.max_bytes = max_bytes};
}

static struct memory_subject *find_subject(const struct memory_store *store, const char *name)
{
    struct memory_subject *subject;

    HASH_FIND(hh, store->subjects, name, strlen(name), subject);
    return subject;
}

static size_t cost(const struct memory_event *event)
{
    return event->len + strlen(event->subject->name);
}

static void drop_oldest(struct memory_store *store)
{
    struct memory_event *event = store->events;
    struct memory_subject *subject = event->subject;

    store->bytes -= cost(event);
    DL_DELETE(store->events, event);
    if (subject->last == event) {
        HASH_DEL(store->subjects, subject);
        free(subject);
    }
    free(event);
}

static void drop_oldest_id(struct memory_store *store)
{
    struct memory_id *id = store->ids;

    HASH_DEL(store->ids, id);
    free(id);
}

void memory_store_fini(struct memory_store *store)
{
    while (store->events)
        drop_oldest(store);
    while (store->ids)
        drop_oldest_id(store);
}

const struct memory_event *memory_store_last(const struct memory_store *store, const char *name)
{
    const struct memory_subject *subject = find_subject(store, name);

    return subject ? subject->last : NULL;
}

const struct memory_event *memory_store_next(const struct memory_store *store, const char *name,
                                             uint64_t after)
{
    const struct memory_subject *subject = find_subject(store, name);
    const struct memory_event *event =
        subject && subject->last && subject->last->seq > after ? store->events : NULL;

    while (event && (event->subject != subject || event->seq <= after))
        event = event->next;
    return event;
}

/* What is asked for is recent, as a rule. */
const struct memory_event *memory_store_at(const struct memory_store *store, const char *name, uint64_t seq)
{
    const struct memory_event *event =
        store->events ? store->events->prev : NULL; /* a utlist's head knows the tail */

    while (event && event->seq > seq)
        event = event == store->events ? NULL : event->prev;
    return event && event->seq == seq && strcmp(event->subject->name, name) == 0 ? event : NULL;
}

/* --- putting --- */

static struct memory_subject *new_subject(struct memory_store *store, const char *name)
{
    size_t len = strlen(name);
    struct memory_subject *subject = calloc(1, sizeof *subject + len + 1);

    if (!subject)
        return NULL;
    memcpy(subject->name, name, len + 1);
    HASH_ADD_KEYPTR(hh, store->subjects, subject->name, len, subject);
    if (!subject->hh.tbl) {
        free(subject);
        return NULL;
    }
    return subject;
}

static struct memory_id *new_id(struct memory_store *store, const char *text)
{
    size_t len = strlen(text);
    struct memory_id *id = calloc(1, sizeof *id + len + 1);

    if (!id)
        return NULL;
    memcpy(id->id, text, len + 1);
    HASH_ADD_KEYPTR(hh, store->ids, id->id, len, id);
    if (!id->hh.tbl) {
        free(id);
        return NULL;
    }
    if (HASH_COUNT(store->ids) > MEMORY_STORE_IDS_MAX)
        drop_oldest_id(store);
    return id;
}

static struct memory_event *new_event(struct slice data)
{
    struct memory_event *event = malloc(sizeof *event + data.len);

    if (!event)
        return NULL;
    event->len = data.len;
    if (data.len)
        memcpy(event->data, data.data, data.len);
    return event;
}

static struct bus_store_result insert(struct memory_store *store, const struct bus_store_request *request)
{
    struct memory_subject *subject = find_subject(store, request->subject);
    bool fresh = !subject;
    struct memory_event *event = new_event(request->data);
    struct memory_id *id = event ? new_id(store, request->message_id) : NULL;

    if (id && fresh)
        subject = new_subject(store, request->subject);
    if (!id || !subject) {
        if (id) {
            HASH_DEL(store->ids, id);
            free(id);
        }
        free(event);
        return (struct bus_store_result){.status = BUS_UNAVAILABLE, .problem = "out of memory"};
    }
    event->subject = subject;
    event->seq = id->seq = ++store->last_seq;
    subject->last = event;
    DL_APPEND(store->events, event);
    store->bytes += cost(event);
    while (store->bytes > store->max_bytes && store->events != event)
        drop_oldest(store);
    return (struct bus_store_result){.status = BUS_STORED, .stream_seq = event->seq, .problem = ""};
}

struct bus_store_result memory_store_put(struct memory_store *store, const struct bus_store_request *request)
{
    const struct memory_event *last = memory_store_last(store, request->subject);
    struct memory_id *known;

    HASH_FIND(hh, store->ids, request->message_id, strlen(request->message_id), known);
    if (known)
        return (struct bus_store_result){.status = BUS_DUPLICATE, .stream_seq = known->seq, .problem = ""};
    if ((last ? last->seq : 0) != request->expect_last)
        return (struct bus_store_result){.status = BUS_FENCED, .problem = "wrong last sequence"};
    if (request->data.len + strlen(request->subject) > store->max_bytes)
        return (struct bus_store_result){.status = BUS_REFUSED, .problem = "larger than the store"};
    return insert(store, request);
}
