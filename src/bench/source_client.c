/* Events sent by publisher clients of the crowd: a raw server's publish frames, or typing signals. */
#include "source.h"

#include <stdlib.h>

struct source_client {
    struct source source;
    struct buffer frames; /* all events of one call leave in one write */
    char *payload;        /* owned */
    uint64_t last_id;     /* of all publishers together: no frame has the id of another */
};

static void append_typing(struct source_client *self, const struct marker *event)
{
    char name[UUID_TEXT_SIZE], text[128];

    layout_room_name(self->source.layout, event->room, name);
    int len =
        snprintf(text, sizeof text, "{\"type\":\"chat.typing\",\"chat_id\":\"%s\",\"is_typing\":true}", name);
    ws_append_frame(&self->frames, WS_TEXT, (struct slice){text, (size_t)len});
}

static enum err publish(struct source *source, const struct marker *events, uint32_t count,
                        uint32_t publisher)
{
    struct source_client *self = (struct source_client *)source;
    const struct target *target = source->crowd->options.target;
    size_t len = source->options->payload;

    buffer_clear(&self->frames);
    for (uint32_t i = 0; i < count; i++) {
        if (source->options->via == VIA_TYPING) {
            append_typing(self, &events[i]);
        } else {
            marker_fill(&events[i], self->payload, len);
            target_append_publish(target, source->layout, events[i].room, (struct slice){self->payload, len},
                                  ++self->last_id, &self->frames);
        }
    }
    if (buffer_failed(&self->frames))
        return ERR_TOO_BIG;
    return crowd_send(source->crowd, publisher, buffer_slice(&self->frames));
}

static void client_source_free(struct source *source)
{
    struct source_client *self = (struct source_client *)source;
    buffer_fini(&self->frames);
    free(self->payload);
    free(self);
}

enum err source_client_new(const struct bench_options *options, struct source **ret_source, char *problem)
{
    struct source_client *self = calloc(1, sizeof *self);
    char *payload = malloc(options->payload);

    (void)problem;
    if (!self || !payload) {
        free(self);
        free(payload);
        return ERR_NO_MEMORY;
    }
    self->source.publish = publish;
    self->source.free = client_source_free;
    self->payload = payload;
    self->last_id = TARGET_HELLO_ID;
    buffer_init(&self->frames, 64u * 1024 * 1024);
    *ret_source = &self->source;
    return ERR_OK;
}
