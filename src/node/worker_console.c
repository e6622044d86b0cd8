/* What operators are shown of the connections, and do to them. Nothing here costs a delivery anything. */
#include "worker_internal.h"

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/wire/json_text.h>

#include "console_task.h"

static bool is_here(const struct client *client)
{
    return client->session.connection != NULL &&
           (client->session.state == SESSION_OPENING || client->session.state == SESSION_OPEN);
}

static struct client *client_of(const struct room_member *member)
{
    return (struct client *)session_of_rooms(member->list);
}

/* --- lists --- */

/* One more object of the list, which end_object() ends. Returns where it begins. */
static size_t begin_object(struct buffer *list)
{
    size_t at = list->len;
    buffer_append_text(list, at > 0 ? ",{" : "{");
    return at;
}

/* It is in the list whole or not at all. */
static void end_object(struct buffer *list, size_t at)
{
    buffer_append_char(list, '}');
    if (buffer_failed(list))
        buffer_cut(list, at);
}

/* --- one connection --- */

static void write_session(struct worker *worker, const struct client *client, struct buffer *out)
{
    const struct session *session = &client->session;
    struct room_key user = client_user(client);
    buffer_append_text(out, "\"session\":");
    json_append_string(out, slice_of(session->id));
    buffer_append_text(out, ",\"user\":");
    json_append_string(out, room_key_name(&user));
    buffer_appendf(out,
                   ",\"worker\":%u,\"open_s\":%llu,\"queue_messages\":%u,\"queue_bytes\":%zu,\"blocked\":%s",
                   worker->index, (unsigned long long)(worker->now_ms / 1000 - client->opened_s),
                   session->queue.count, session->queue.bytes, session->is_blocked ? "true" : "false");
    if (session->stall_by > 0)
        buffer_appendf(out, ",\"closed_in_ms\":%llu",
                       (unsigned long long)(session->stall_by > worker->now_ms
                                                ? session->stall_by - worker->now_ms
                                                : 0));
}

static void write_peer(const struct client *client, struct buffer *out)
{
    char peer[ADDRESS_TEXT_SIZE];
    address_format(&client->from, peer);
    buffer_append_text(out, ",\"peer\":");
    json_append_string(out, slice_of(peer));
}

/* Where it stands in a room in which it is behind. */
static void write_cursor(struct worker *worker, struct client *client, const struct room_key *room,
                         struct buffer *out)
{
    const struct position *cursor = client_cursor(worker, client, room);
    if (cursor)
        buffer_appendf(out, ",\"behind_at\":%llu", (unsigned long long)cursor->seq);
}

static void write_rooms(struct worker *worker, struct client *client, struct buffer *out)
{
    const struct room_list *rooms = &client->session.rooms;
    uint32_t shown = 0;
    buffer_append_text(out, ",\"chats\":[");
    for (uint32_t i = 0; i < rooms->count && shown < CONSOLE_ROOMS_MAX; i++) {
        struct room_key room;
        room_list_key(rooms, i, &room);
        if (room.route != ROUTE_TO_CHAT)
            continue;
        buffer_append_text(out, shown++ > 0 ? ",{\"chat\":" : "{\"chat\":");
        json_append_string(out, room_key_name(&room));
        write_cursor(worker, client, &room, out);
        buffer_append_char(out, '}');
    }
    buffer_appendf(out, "],\"rooms\":%u", rooms->count);
}

/* --- the questions --- */

/* Keeps CONSOLE_SLOW_MAX with the most, the largest first. */
static uint32_t keep_slow(struct client **kept, uint32_t count, struct client *client)
{
    size_t bytes = client->session.queue.bytes;
    uint32_t at = count;
    if (count < CONSOLE_SLOW_MAX)
        count++;
    else if (bytes > kept[count - 1]->session.queue.bytes)
        at--;
    else
        return count;
    for (; at > 0 && kept[at - 1]->session.queue.bytes < bytes; at--)
        kept[at] = kept[at - 1];
    kept[at] = client;
    return count;
}

static void show_slow(struct worker *worker, struct console_part *part)
{
    struct client *kept[CONSOLE_SLOW_MAX];
    uint32_t count = 0;
    if (worker_queued_bytes(worker) == 0 && metrics_get(METRIC_BLOCKED) == 0)
        return; /* the ordinary case: nobody is looked at */
    for (struct client *client = worker->clients; client; client = client->next) {
        if (!is_here(client) || (client->session.queue.bytes == 0 && !client->session.is_blocked))
            continue;
        part->count++;
        count = keep_slow(kept, count, client);
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t at = begin_object(&part->first);
        write_session(worker, kept[i], &part->first);
        write_peer(kept[i], &part->first);
        end_object(&part->first, at);
    }
}

static void show_closes(const struct worker *worker, struct buffer *out)
{
    const struct worker_closes *closes = &worker->closes;
    uint64_t first = closes->count > CLOSES_KEPT ? closes->count - CLOSES_KEPT : 0;
    for (uint64_t number = closes->count; number-- > first;) {
        const struct worker_close *close = &closes->items[number % CLOSES_KEPT];
        size_t at = begin_object(out);
        buffer_appendf(out, "\"at_ms\":%llu,\"code\":%u,\"reason\":", (unsigned long long)close->at_ms,
                       close->code);
        json_append_string(out, slice_of(close->reason));
        buffer_append_text(out, ",\"session\":");
        json_append_string(out, slice_of(close->session));
        buffer_append_text(out, ",\"user\":");
        json_append_string(out, room_key_name(&close->user));
        end_object(out, at);
    }
}

/* Who is in the chat, and where; or the user's connections, and in which chats. */
static void show_members(struct worker *worker, const struct room_key *room, struct console_part *part)
{
    bool is_chat = room->route == ROUTE_TO_CHAT;
    uint32_t count, max = is_chat ? CONSOLE_MEMBERS_MAX : CONSOLE_SESSIONS_MAX;
    const struct room_member *members = rooms_members(worker->rooms, room, &count);
    part->count = count;
    for (uint32_t i = 0; i < count && i < max; i++) {
        struct client *client = client_of(&members[i]);
        size_t at = begin_object(&part->first);
        write_session(worker, client, &part->first);
        if (is_chat) {
            write_cursor(worker, client, room, &part->first);
        } else {
            write_peer(client, &part->first);
            write_rooms(worker, client, &part->first);
        }
        end_object(&part->first, at);
    }
}

/* By the channel that each of the user's connections is in; they leave it when they have ended. */
static void disconnect(struct worker *worker, const struct room_key *user, struct console_part *part)
{
    uint32_t count;
    rooms_members(worker->rooms, user, &count);
    for (uint32_t i = count; i-- > 0;) {
        const struct room_member *members = rooms_members(worker->rooms, user, &count);
        if (i >= count || !is_here(client_of(&members[i])))
            continue;
        client_close(worker, client_of(&members[i]), CLOSE_OPERATOR);
        part->count++;
    }
}

void worker_work_for_console(struct worker *worker, struct console_task *task)
{
    struct console_part *part = &task->parts[worker->index];
    switch (task->kind) {
    case CONSOLE_LIVE:
        show_slow(worker, part);
        show_closes(worker, &part->second);
        break;
    case CONSOLE_ROOM:
    case CONSOLE_USER:
        show_members(worker, &task->room, part);
        break;
    case CONSOLE_DISCONNECT:
        disconnect(worker, &task->room, part);
        break;
    default:
        break;
    }
    console_task_end_part(task);
}

/* --- what has ended --- */

static const char *reason_of(const struct session *session, enum ws_end end)
{
    static const char *const reasons[] = {
        [WS_END_CLIENT] = "the client closed it",
        [WS_END_FAULT] = "the client broke the protocol",
        [WS_END_SERVER] = "closed by the node",
        [WS_END_LOST] = "the connection was lost",
    };
    return session->state == SESSION_CLOSING ? close_reason_row(session->close_reason)->text : reasons[end];
}

void worker_note_close(struct worker *worker, const struct session *session, enum ws_end end, unsigned code)
{
    struct worker_close *close = &worker->closes.items[worker->closes.count++ % CLOSES_KEPT];
    *close = (struct worker_close){
        .at_ms = clock_wall_ms(),
        .code = session->state == SESSION_CLOSING ? close_reason_row(session->close_reason)->code : code,
        .reason = reason_of(session, end),
        .user = token_claims_user(&session->claims),
    };
    memcpy(close->session, session->id, sizeof close->session);
}
