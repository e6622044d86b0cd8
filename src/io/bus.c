#include <roomcast/io/bus.h>

#include <assert.h>

#include <roomcast/base/buffer.h>

#include "bus_adapter.h"
#include "bus_shards.h"

/* Printable ASCII without spaces: anything else would end the subject, or a header line, in the middle of the
 * protocol's text (https://docs.nats.io/reference/reference-protocols/nats-protocol). Subjects are made by
 * src/wire out of checked parts, so a violation is our bug. */
static bool is_word(const char *text)
{
    if (!*text)
        return false;
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return true;
}

/* No wildcard token, no empty token. */
bool bus_is_subject(const char *subject)
{
    size_t token = 0;

    if (!is_word(subject))
        return false;
    for (const char *p = subject;; p++) {
        if (*p && *p != '.') {
            token++;
            continue;
        }
        if (token == 0 || (token == 1 && (p[-1] == '*' || p[-1] == '>')))
            return false;
        if (!*p)
            return true;
        token = 0;
    }
}

void bus_message_free(struct bus_message **message)
{
    if (*message)
        (*message)->free(*message);
    *message = NULL;
}

enum err bus_subscribe(struct bus *bus, const char *subject, bus_receive receive, void *context,
                       struct bus_subscription **ret_subscription)
{
    assert(bus_is_subject(subject));
    return bus->ops->subscribe(bus, subject, receive, context, ret_subscription);
}

enum err bus_subscribe_below(struct bus *bus, const char *subject, bus_receive receive, void *context,
                             struct bus_subscription **ret_subscription)
{
    struct buffer pattern;
    enum err err = ERR_NO_MEMORY;

    assert(bus_is_subject(subject));
    buffer_init(&pattern, SIZE_MAX / 2);
    buffer_append_text(&pattern, subject);
    buffer_append_text(&pattern, ".*");
    if (!buffer_failed(&pattern))
        err = bus->ops->subscribe(bus, buffer_text(&pattern), receive, context, ret_subscription);
    buffer_fini(&pattern);
    return err;
}

void bus_unsubscribe(struct bus *bus, struct bus_subscription **subscription, void (*released)(void *context))
{
    if (*subscription)
        bus->ops->unsubscribe(bus, *subscription, released);
    *subscription = NULL;
}

enum err bus_publish(struct bus *bus, const char *subject, struct slice data)
{
    assert(bus_is_subject(subject));
    return bus->ops->publish(bus, subject, data);
}

void bus_ask(struct bus *bus, const char *subject, struct slice data, uint64_t timeout_ms, bus_ask_done done,
             void *context)
{
    assert(bus_is_subject(subject));
    bus->ops->ask(bus, subject, data, timeout_ms, done, context);
}

void bus_store(struct bus *bus, const struct bus_store_request *request, bus_store_done done, void *context)
{
    assert(bus_is_subject(request->subject) && is_word(request->message_id));
    bus->ops->store(bus, request, done, context);
}

void bus_last(struct bus *bus, const char *subject, uint64_t timeout_ms, bus_last_done done, void *context)
{
    const struct bus_get_request request = {
        .kind = BUS_GET_LAST, .subject = subject, .shard = bus_shard(bus, subject), .timeout_ms = timeout_ms};

    assert(bus_is_subject(subject));
    bus->ops->get(bus, &request, done, context);
}

void bus_next(struct bus *bus, const char *subject, uint64_t after, uint64_t timeout_ms, bus_last_done done,
              void *context)
{
    const struct bus_get_request request = {.kind = BUS_GET_NEXT,
                                            .subject = subject,
                                            .shard = bus_shard(bus, subject),
                                            .seq = after,
                                            .timeout_ms = timeout_ms};

    assert(bus_is_subject(subject) && after < UINT64_MAX);
    bus->ops->get(bus, &request, done, context);
}

void bus_read(struct bus *bus, const char *subject, uint64_t stream_seq, enum bus_copy copy,
              uint64_t timeout_ms, bus_last_done done, void *context)
{
    const struct bus_get_request request = {.kind = copy == BUS_ANY_COPY ? BUS_GET_AT_ANY : BUS_GET_AT_LEADER,
                                            .subject = subject,
                                            .shard = bus_shard(bus, subject),
                                            .seq = stream_seq,
                                            .timeout_ms = timeout_ms};

    assert(bus_is_subject(subject) && stream_seq > 0);
    bus->ops->get(bus, &request, done, context);
}

void bus_ask_extent(struct bus *bus, unsigned shard, uint64_t timeout_ms, bus_last_done done, void *context)
{
    const struct bus_get_request request = {
        .kind = BUS_GET_EXTENT, .subject = "", .shard = shard, .timeout_ms = timeout_ms};

    assert(shard < bus->shards->count);
    bus->ops->get(bus, &request, done, context);
}

unsigned bus_shards_count(const struct bus *bus)
{
    return bus->shards->count;
}

unsigned bus_shard(const struct bus *bus, const char *subject)
{
    return bus_shards_find(bus->shards, subject);
}

const char *bus_stream_name(const struct bus *bus, unsigned shard)
{
    assert(shard < bus->shards->count);
    return bus->shards->streams[shard];
}

enum err bus_ensure_stream(struct bus *bus, const struct bus_stream_options *options, char *problem)
{
    return bus->ops->ensure_stream(bus, options, problem);
}

bool bus_is_up(struct bus *bus)
{
    return bus->ops->is_up(bus);
}

void bus_free(struct bus **bus)
{
    if (*bus)
        (*bus)->ops->free(*bus);
    *bus = NULL;
}
