/* From an envelope to what a room's feed takes: decoded, and made the clients' frame, once. */
#include "hub_channel.h"

#include <roomcast/base/hash.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/rfc3339.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/server_message.h>
#include <roomcast/wire/stream_cursor.h>

/* While nobody has agreed on compression nothing is made that nobody takes: who comes later is replayed plain
 * frames, as everybody can be. */
void hub_event_deflate(struct hub *hub, struct frame *frame)
{
    struct slice message = frame_payload(frame), deflated;
    if (!hub->deflater || message.len < hub->config->websocket_compress_min_bytes ||
        atomic_load_explicit(hub->deflating, memory_order_relaxed) == 0)
        return;
    if (deflater_run(hub->deflater, message, &deflated))
        frame_add_deflated(frame, deflated);
    if (frame->deflated)
        metrics_inc(METRIC_EVENTS_DEFLATED);
}

/* For who follows one event through the system by its W3C Trace Context. */
static void log_trace(const struct envelope *envelope)
{
    if (envelope->traceparent.len > 0)
        log_debug("event_read", LOG_SLICE("id", envelope->event_id),
                  LOG_SLICE("room", room_key_name(&envelope->room)), LOG_U64("seq", envelope->position.seq),
                  LOG_SLICE("traceparent", envelope->traceparent));
}

enum err hub_event_read(struct hub *hub, const struct room_key *room, struct slice data, uint64_t stream_seq,
                        struct feed_event *ret_event, struct event_times *ret_times)
{
    struct envelope_owned owned;
    enum err err = envelope_decode(data, room, &owned);
    if (err != ERR_OK) {
        hub_reject(hub, room, "envelope", err);
        return err;
    }
    buffer_clear(&hub->text);
    server_event(&hub->text, &owned.envelope, hub->config->websocket_traceparent);
    log_trace(&owned.envelope);
    uint64_t hash = hash_bytes_64(owned.envelope.event_id.data, owned.envelope.event_id.len);
    struct feed_event event = {
        .position = owned.envelope.position,
        .stream_seq = stream_seq,
        .id_hash = hash ? hash : 1,
        .trail = owned.envelope.trail,
    };
    if (ret_times)
        metrics_count_by(FAMILY_EVENTS_BY_TYPE, owned.envelope.client_type);
    if (ret_times)
        *ret_times = (struct event_times){.relayed_ms = owned.envelope.relayed_at_ms};
    if (ret_times && rfc3339_read(owned.envelope.occurred_at, &ret_times->occurred_ms) != ERR_OK)
        ret_times->occurred_ms = 0; /* services may write it in other forms */
    envelope_release(&owned);
    struct stream_mark mark;
    if (!buffer_failed(&hub->text))
        event.frame = frame_new_beside(FRAME_TEXT, buffer_slice(&hub->text),
                                       stream_mark_make(room, &event.position, &mark));
    if (!event.frame) {
        hub_reject(hub, room, "envelope", ERR_NO_MEMORY);
        return ERR_NO_MEMORY;
    }
    *ret_event = event;
    return ERR_OK;
}
