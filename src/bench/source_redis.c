/* Events published as domain services do it: XADD, one round trip each, a relay behind it. */
#include "source.h"

#include <stdlib.h>

#include <roomcast/io/redis_client.h>

#define STREAM_MAX 1000000 /* entries that Redis keeps */

struct source_redis {
    struct source source;
    struct redis_client *client;
    struct buffer event;
    char *payload; /* owned */
};

static enum err add(struct source_redis *self, const struct marker *event)
{
    const struct source *source = &self->source;
    char name[UUID_TEXT_SIZE];

    layout_room_name(source->layout, event->room, name);
    source_write_data(source, event, self->payload);
    buffer_clear(&self->event);
    buffer_appendf(&self->event,
                   "{\"id\":\"b-%08x-%x-%x\",\"event_type\":\"message.created\",\"aggregate_type\":\"chat\","
                   "\"aggregate_id\":\"%s\",\"payload\":",
                   source->layout->run, event->room, event->number, name);
    buffer_append(&self->event, self->payload, source->options->payload);
    buffer_append_char(&self->event, '}');
    if (buffer_failed(&self->event))
        return ERR_NO_MEMORY;
    const struct redis_field field = {.name = "event", .value = buffer_slice(&self->event)};
    return redis_add(self->client, source->options->redis_stream, STREAM_MAX, &field, 1);
}

static enum err publish(struct source *source, const struct marker *events, uint32_t count,
                        uint32_t publisher)
{
    enum err err = ERR_OK;

    (void)publisher;
    for (uint32_t i = 0; i < count && !err; i++) {
        if (source->hops)
            hops_sent(source->hops, &events[i], crowd_now_ns());
        err = add((struct source_redis *)source, &events[i]);
        if (source->hops)
            hops_added(source->hops, &events[i], crowd_now_ns());
    }
    return err;
}

static void redis_source_free(struct source *source)
{
    struct source_redis *self = (struct source_redis *)source;
    redis_client_free(&self->client);
    buffer_fini(&self->event);
    free(self->payload);
    free(self);
}

static enum err connect_redis(struct source_redis *self, const struct bench_options *options, char *problem)
{
    const struct redis_options redis = {
        .url = options->redis_url, .connect_timeout_ms = 5000, .command_timeout_ms = 5000};
    enum err err = redis_client_new(&redis, &self->client, problem);

    if (err)
        return err;
    err = redis_client_connect(self->client);
    if (err)
        snprintf(problem, SOURCE_PROBLEM_SIZE, "Redis at --redis-url: %s",
                 redis_client_problem(self->client));
    return err;
}

enum err source_redis_new(const struct bench_options *options, struct source **ret_source, char *problem)
{
    struct source_redis *self = calloc(1, sizeof *self);

    if (!self)
        return ERR_NO_MEMORY;
    self->source.publish = publish;
    self->source.free = redis_source_free;
    buffer_init(&self->event, options->payload + 1024);
    self->payload = malloc(options->payload);
    enum err err = self->payload ? connect_redis(self, options, problem) : ERR_NO_MEMORY;
    if (err) {
        redis_source_free(&self->source);
        return err;
    }
    *ret_source = &self->source;
    return ERR_OK;
}
