/* Signals of a chat: who is there, who types. What this node's users do goes out as a signal, and what the
 * clients are told comes from signals, our own among them: one path, one order. Presence
 * alone is applied at once for our own users, because our own share must be right even while the bus is away.
 */
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/wire/server_message.h>
#include <roomcast/wire/subject.h>

#include "hub_channel.h"

enum err hub_signal_publish(struct hub *hub, struct hub_channel *channel, struct signal_message *signal)
{
    signal->room = hub_channel_key(channel);
    signal->node = slice_of(hub->instance);
    buffer_clear(&hub->encoded);
    enum err err = signal_encode(signal, &hub->encoded);
    if (err != ERR_OK)
        return err;
    char subject[SUBJECT_SIZE];
    subject_format(hub->config->nats_prefix, SUBJECT_SIGNAL, &signal->room, subject);
    return bus_publish(hub->bus, subject, buffer_slice(&hub->encoded));
}

void hub_signal_publish_presence(struct hub *hub, struct hub_channel *channel, struct signal_message *signal)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;
    enum err err = hub_signal_publish(hub, channel, signal);
    if (err == ERR_OK)
        metrics_inc(METRIC_PRESENCE_SENT);
    else if (log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_warn("presence_signal_lost", LOG_SLICE("room", room_key_name(&signal->room)),
                 LOG_TEXT("error", err_name(err)), LOG_U64("suppressed", suppressed));
}

void hub_publish_typing(struct hub *hub, struct hub_channel *channel, const struct room_key *user,
                        bool is_typing)
{
    if (!typing_limit_pass(&channel->chat->typing, user, is_typing, hub->config->limits_typing_ms,
                           hub->now_ms)) {
        metrics_inc(METRIC_TYPING_LIMITED);
        return;
    }
    struct signal_message signal = {.kind = SIGNAL_TYPING, .user = room_key_name(user), .on = is_typing};
    bool sent = hub_signal_publish(hub, channel, &signal) == ERR_OK;
    metrics_inc(sent ? METRIC_TYPING_RELAYED : METRIC_TYPING_DROPPED);
}

void hub_signal_send_text(struct hub *hub, struct hub_channel *channel, const struct room_key *sender)
{
    if (buffer_failed(&hub->text))
        return;
    struct frame *frame = frame_new(FRAME_TEXT, buffer_slice(&hub->text));
    if (!frame)
        return;
    hub_channel_send(hub, channel, frame, HUB_SIGNAL, sender);
    frame_unref(&frame);
}

static enum err show_typing(struct hub *hub, struct hub_channel *channel, const struct signal_message *signal)
{
    struct room_key user;
    enum err err = room_key_for_user(signal->user, &user);
    if (err != ERR_OK)
        return err;
    buffer_clear(&hub->text);
    server_typing(&hub->text, &signal->room, signal->user, signal->on);
    hub_signal_send_text(hub, channel, &user);
    return ERR_OK;
}

static enum err apply_presence(struct hub *hub, struct hub_channel *channel,
                               const struct signal_message *signal)
{
    if (slice_equal(signal->node, slice_of(hub->instance)))
        return ERR_OK;
    metrics_inc(METRIC_PRESENCE_RECEIVED);
    if (signal->kind == SIGNAL_PRESENCE_QUERY) { /* a relay's, too, which is no node and has no users */
        hub_presence_on_query(hub, channel, signal);
        return ERR_OK;
    }
    if (!hub_node_heard(hub, signal->node))
        return ERR_OK;
    switch (signal->kind) {
    case SIGNAL_PRESENCE_CHANGE:
        return hub_presence_on_change(hub, channel, signal);
    case SIGNAL_PRESENCE_SNAPSHOT:
        return hub_presence_on_snapshot(hub, channel, signal);
    case SIGNAL_PRESENCE_QUERY:
    case SIGNAL_TYPING:
        break;
    }
    return ERR_UNKNOWN;
}

void hub_signal_receive(struct hub *hub, struct hub_channel *channel, struct slice data)
{
    struct signal_owned owned;
    struct room_key room = hub_channel_key(channel);
    enum err err = signal_decode(data, &room, &owned);
    if (err == ERR_OK) {
        err = owned.signal.kind == SIGNAL_TYPING ? show_typing(hub, channel, &owned.signal)
                                                 : apply_presence(hub, channel, &owned.signal);
        signal_release(&owned);
    }
    if (err != ERR_OK && err != ERR_UNKNOWN)
        hub_reject(hub, &room, "signal", err);
}
