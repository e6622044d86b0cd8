#include <roomcast/wire/server_message.h>

#include <roomcast/wire/json_text.h>

/* Members are written with their leading comma, so that optional ones can be left out anywhere but first.
 * `name` holds nothing that needs an escape. */
static void member_name(struct buffer *out, const char *name)
{
    buffer_append_text(out, ",\"");
    buffer_append_text(out, name);
    buffer_append_text(out, "\":");
}

static void member_slice(struct buffer *out, const char *name, struct slice value)
{
    member_name(out, name);
    json_append_string(out, value);
}

static void member_text(struct buffer *out, const char *name, const char *value)
{
    member_slice(out, name, slice_of(value));
}

static void member_u64(struct buffer *out, const char *name, uint64_t value)
{
    member_name(out, name);
    buffer_append_u64(out, value);
}

static void member_bool(struct buffer *out, const char *name, bool value)
{
    member_name(out, name);
    buffer_append_text(out, value ? "true" : "false");
}

static void member_chat(struct buffer *out, const struct room_key *chat)
{
    if (chat)
        member_slice(out, "chat_id", room_key_name(chat));
}

static void member_id(struct buffer *out, const struct request_id *id)
{
    if (id && id->kind == REQUEST_ID_NUMBER)
        member_u64(out, "id", id->number);
    else if (id && id->kind == REQUEST_ID_TEXT)
        member_text(out, "id", id->text);
}

static void member_position(struct buffer *out, const struct position *position)
{
    member_text(out, "epoch", position->epoch);
    member_u64(out, "seq", position->seq);
}

static void begin(struct buffer *out, struct slice type)
{
    buffer_append_text(out, "{\"type\":");
    json_append_string(out, type);
}

static void end(struct buffer *out)
{
    buffer_append_char(out, '}');
}

bool server_says(struct slice type)
{
    static const char *const own[] = {"connected",      "ack",          "error",
                                      "pong",           "chat.typing",  "presence.changed",
                                      "presence.state", "unsubscribed", "disconnect"};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (slice_equal(type, slice_of(own[i])))
            return true;
    return false;
}

void server_connected(struct buffer *out, const struct server_connected *message)
{
    begin(out, SLICE_LITERAL("connected"));
    member_slice(out, "connection_id", message->connection_id);
    member_slice(out, "user_id", message->user_id);
    member_slice(out, "node", message->node);
    member_u64(out, "ping_interval_ms", message->ping_interval_ms);
    if (message->expires_at)
        member_u64(out, "expires_at", message->expires_at);
    if (message->notifications) {
        member_name(out, "notifications");
        buffer_append_text(out, "{\"epoch\":");
        json_append_string(out, slice_of(message->notifications->epoch));
        member_u64(out, "seq", message->notifications->seq);
        end(out);
    }
    end(out);
}

void server_ack(struct buffer *out, const struct server_ack *message)
{
    begin(out, SLICE_LITERAL("ack"));
    member_text(out, "action", message->action);
    member_chat(out, message->chat);
    member_id(out, message->id);
    if (message->position)
        member_position(out, message->position);
    if (message->was_recovering) {
        member_bool(out, "recovered", message->recovered);
        member_u64(out, "replayed", message->replayed);
    }
    if (message->expires_at)
        member_u64(out, "expires_at", message->expires_at);
    end(out);
}

void server_error(struct buffer *out, enum error_code code, const char *message, const struct room_key *chat,
                  const struct request_id *id)
{
    begin(out, SLICE_LITERAL("error"));
    member_text(out, "code", error_code_text(code));
    member_text(out, "message", message ? message : error_code_meaning(code));
    member_bool(out, "temporary", error_code_temporary(code));
    member_chat(out, chat);
    member_id(out, id);
    end(out);
}

void server_position_lost(struct buffer *out, const struct room_key *chat, const struct position *position)
{
    begin(out, SLICE_LITERAL("error"));
    member_text(out, "code", error_code_text(ERROR_CODE_POSITION_LOST));
    member_text(out, "message", error_code_meaning(ERROR_CODE_POSITION_LOST));
    member_bool(out, "temporary", false);
    member_chat(out, chat);
    member_position(out, position);
    end(out);
}

void server_pong(struct buffer *out, const struct request_id *id)
{
    begin(out, SLICE_LITERAL("pong"));
    member_id(out, id);
    end(out);
}

void server_typing(struct buffer *out, const struct room_key *chat, struct slice user, bool is_typing)
{
    begin(out, SLICE_LITERAL("chat.typing"));
    member_chat(out, chat);
    member_slice(out, "user_id", user);
    member_bool(out, "is_typing", is_typing);
    end(out);
}

void server_presence_changed(struct buffer *out, const struct room_key *chat, struct slice user,
                             bool is_online)
{
    begin(out, SLICE_LITERAL("presence.changed"));
    member_chat(out, chat);
    member_slice(out, "user_id", user);
    member_bool(out, "is_online", is_online);
    end(out);
}

void server_presence_state(struct buffer *out, const struct room_key *chat, const struct slice *users,
                           size_t users_count, size_t online_count, const struct request_id *id)
{
    begin(out, SLICE_LITERAL("presence.state"));
    member_chat(out, chat);
    member_name(out, "online");
    buffer_append_char(out, '[');
    for (size_t i = 0; i < users_count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        json_append_string(out, users[i]);
    }
    buffer_append_char(out, ']');
    member_u64(out, "count", online_count);
    member_id(out, id);
    end(out);
}

void server_unsubscribed(struct buffer *out, const struct room_key *chat, const char *code,
                         const char *message)
{
    begin(out, SLICE_LITERAL("unsubscribed"));
    member_chat(out, chat);
    member_text(out, "code", code);
    member_text(out, "message", message);
    end(out);
}

void server_disconnect(struct buffer *out, unsigned code, const char *reason, bool reconnect,
                       uint64_t retry_after_ms)
{
    begin(out, SLICE_LITERAL("disconnect"));
    member_u64(out, "code", code);
    member_text(out, "reason", reason);
    member_bool(out, "reconnect", reconnect);
    if (retry_after_ms)
        member_u64(out, "retry_after_ms", retry_after_ms);
    end(out);
}

void server_event(struct buffer *out, const struct envelope *envelope, bool with_trace)
{
    begin(out, envelope->client_type);
    if (envelope->room.route == ROUTE_TO_CHAT)
        member_chat(out, &envelope->room);
    member_position(out, &envelope->position);
    member_slice(out, "id", envelope->event_id);
    if (envelope->occurred_at.len)
        member_slice(out, "ts", envelope->occurred_at);
    if (with_trace && envelope->traceparent.len)
        member_slice(out, "traceparent", envelope->traceparent);
    member_name(out, "data");
    buffer_append_slice(out, envelope->payload);
    end(out);
}

void server_http_error(struct buffer *out, enum error_code code, const char *message)
{
    buffer_append_text(out, "{\"success\":false,\"error\":{\"code\":");
    json_append_string(out, slice_of(error_code_text(code)));
    member_text(out, "message", message ? message : error_code_meaning(code));
    buffer_append_text(out, "}}");
}
