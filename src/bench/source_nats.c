/* Events put into the event stream as the relay does, but without waiting until each is stored: the load is
 * the point, and what is lost is counted at the other end. Every run has rooms of its own, so each begins an
 * epoch with 1 and nobody else numbers it. */
#include "source.h"

#include <inttypes.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/random.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/subject.h>

#include "bench_bus.h"

#define EPOCH_LEN 6

struct source_nats {
    struct source source;
    struct bus *bus;
    char epoch[EPOCH_LEN + 2];
    struct buffer envelope;
    char *payload; /* owned */
};

static void encode(struct source_nats *self, const struct marker *event, const struct room_key *room)
{
    struct envelope envelope = {.room = *room};
    char id[48];
    int id_len =
        snprintf(id, sizeof id, "b-%08x-%x-%x", self->source.layout->run, event->room, event->number);

    snprintf(envelope.position.epoch, sizeof envelope.position.epoch, "%s", self->epoch);
    envelope.position.seq = event->number;
    envelope.event_id = (struct slice){id, (size_t)id_len};
    envelope.client_type = SLICE_LITERAL("chat.message.posted");
    envelope.event_type = SLICE_LITERAL("message.created");
    envelope.payload = (struct slice){self->payload, self->source.options->payload};
    envelope.relayed_at_ms = clock_wall_ms();
    source_write_data(&self->source, event, self->payload);
    buffer_clear(&self->envelope);
    if (envelope_encode(&envelope, &self->envelope))
        self->envelope.failed = true;
}

static enum err publish(struct source *source, const struct marker *events, uint32_t count,
                        uint32_t publisher)
{
    struct source_nats *self = (struct source_nats *)source;
    char name[UUID_TEXT_SIZE], subject[SUBJECT_SIZE];
    struct room_key room;

    (void)publisher;
    layout_room_name(source->layout, events[0].room, name);
    enum err err = room_key_for_chat_text(slice_of(name), &room);
    subject_format(source->options->nats_prefix, SUBJECT_EVENT, &room, subject);
    for (uint32_t i = 0; i < count && !err; i++) {
        encode(self, &events[i], &room);
        err = buffer_failed(&self->envelope) ? ERR_BUG
                                             : bus_publish(self->bus, subject, buffer_slice(&self->envelope));
    }
    return err;
}

static void nats_source_free(struct source *source)
{
    struct source_nats *self = (struct source_nats *)source;
    bus_free(&self->bus);
    buffer_fini(&self->envelope);
    free(self->payload);
    free(self);
}

static enum err connect_bus(struct source_nats *self, const struct bench_options *options, char *problem)
{
    const struct bus_stream_options stream = {
        .replicas = 1, .max_age_s = 3600, .max_bytes = 1u << 30, .max_per_subject = 1000, .dedup_s = 300};
    enum err err = bench_bus_open(options, &self->bus, problem);

    return err ? err : bus_ensure_stream(self->bus, &stream, problem);
}

enum err source_nats_new(const struct bench_options *options, struct source **ret_source, char *problem)
{
    struct source_nats *self = calloc(1, sizeof *self);

    if (!self)
        return ERR_NO_MEMORY;
    self->source.publish = publish;
    self->source.free = nats_source_free;
    self->epoch[0] = 'b'; /* no epoch of events begins with 0 */
    random_text(self->epoch + 1, EPOCH_LEN);
    buffer_init(&self->envelope, ENVELOPE_MAX_BYTES);
    self->payload = malloc(options->payload);
    enum err err = self->payload ? connect_bus(self, options, problem) : ERR_NO_MEMORY;
    if (err) {
        nats_source_free(&self->source);
        return err;
    }
    *ret_source = &self->source;
    return ERR_OK;
}
