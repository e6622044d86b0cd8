#include "worker_stream.h"

#include <stdlib.h>

#include <roomcast/base/random.h>

#include "handshake.h"

#define PREFLIGHT_SECONDS "600"

/* After a connection that ended without a word: who lost a node together comes back one after the other. */
#define RETRY_MS        1000
#define RETRY_SPREAD_MS 4000

static struct stream_client *stream_of(struct client *client)
{
    return (struct stream_client *)client;
}

/* Fetch, section 3.2.3: pages of other origins read the answer when it names theirs. */
void stream_write_headers(struct worker *worker, const struct ws_request *request)
{
    struct buffer *out = &worker->headers;
    buffer_append_text(out, "Vary: Origin\r\n");
    if (handshake_may_read(worker->shared, request)) {
        buffer_append_text(out, "Access-Control-Allow-Origin: ");
        buffer_append_slice(out, request->origin);
        buffer_append_text(out, "\r\n");
    }
    if (slice_equal(request->method, SLICE_LITERAL("OPTIONS"))) /* section 3.2.2, CORS-preflight */
        buffer_append_text(out,
                           "Access-Control-Allow-Methods: GET\r\n"
                           "Access-Control-Allow-Headers: Authorization, Cache-Control, Last-Event-ID\r\n"
                           "Access-Control-Max-Age: " PREFLIGHT_SECONDS "\r\n");
    else if (!slice_equal(request->method, SLICE_LITERAL("GET")))
        buffer_append_text(out, "Allow: GET, OPTIONS\r\n"); /* RFC 9110 section 15.5.6 */
}

void stream_accept(struct worker *worker, struct ws_decision *decision)
{
    const struct session_rules *rules = &worker->shared->rules;
    /* TCP counts who takes nothing in, too: he is to be told first that he is too slow. */
    uint64_t patience_ms = rules->slow_grace_ms + rules->ping_timeout_ms;
    buffer_append_text(&worker->headers, "X-Accel-Buffering: no\r\n"); /* nginx holds nothing back */
    buffer_clear(&worker->text);
    buffer_append_text(&worker->text, "retry: ");
    buffer_append_u64(&worker->text, RETRY_MS + random_below(RETRY_SPREAD_MS));
    buffer_append_text(&worker->text, "\n\n");
    if (buffer_failed(&worker->text))
        buffer_clear(&worker->text); /* without it the client takes a time of its own */
    *decision = (struct ws_decision){.accept = true,
                                     .is_stream = true,
                                     .content_type = "text/event-stream",
                                     .headers = buffer_slice(&worker->headers),
                                     .body = buffer_slice(&worker->text),
                                     .unacknowledged_ms = (unsigned)patience_ms};
}

bool stream_resumes_notifications(const struct client *client)
{
    return ((const struct stream_client *)client)->cursor->places[0].is_known;
}

void stream_follow(struct worker *worker, struct client *client)
{
    const struct stream_cursor *cursor = stream_of(client)->cursor;
    size_t count = cursor->count - 1;
    struct chat_request *chats = calloc(count > 0 ? count : 1, sizeof *chats);
    if (!chats) {
        client_close(worker, client, CLOSE_OVERLOADED);
        return;
    }
    for (size_t at = 0; at < count; at++) {
        const struct stream_place *place = &cursor->places[1 + at];
        room_key_for_chat(&place->chat, &chats[at].chat);
        chats[at].has_since = place->is_known;
        chats[at].since = place->position;
    }
    if (stream_resumes_notifications(client))
        client_resume_notifications(worker, client, &cursor->places[0].position);
    client_subscribe(worker, client, chats, count);
    free(chats);
}

void stream_set_retry(struct client *client, uint64_t retry_ms)
{
    stream_of(client)->retry_ms = retry_ms;
}

void stream_end_unanswered(struct worker *worker, struct client *client)
{
    if (client->session.is_stream)
        client_close(worker, client, CLOSE_OVERLOADED);
}

/* Where the next line ends: a payload is spliced in as the service wrote it, which may be on several lines.
 * In one pass, or a payload of nothing but line ends would take for ever. */
static size_t line_length(struct slice text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] != '\n' && text.data[len] != '\r')
        len++;
    return len;
}

/* Section 9.2.5: lines end in LF, CR LF or CR, and the client puts them together again with LF. Empty ones,
 * which are nothing to JSON, are left out: each would be seven bytes. */
static void write_data(struct slice text, struct buffer *out)
{
    while (text.len > 0) {
        size_t len = line_length(text);
        if (len > 0) {
            buffer_append_text(out, "data: ");
            buffer_append(out, text.data, len);
            buffer_append_char(out, '\n');
        }
        size_t taken = len < text.len ? len + 1 : len;
        text = (struct slice){text.data + taken, text.len - taken};
    }
}

void stream_write(struct client *client, const struct frame *frame, struct buffer *out)
{
    struct stream_client *stream = stream_of(client);
    if (frame_opcode_of(frame) == FRAME_PING) {
        buffer_append_text(out, ":\n\n");
        return;
    }
    if (stream->retry_ms > 0) {
        buffer_append_text(out, "retry: ");
        buffer_append_u64(out, stream->retry_ms);
        buffer_append_char(out, '\n');
        stream->retry_ms = 0;
    }
    if (stream_cursor_move(stream->cursor, frame_aside(frame))) {
        buffer_append_text(out, "id: ");
        stream_cursor_write(stream->cursor, out);
        buffer_append_char(out, '\n');
    }
    write_data(frame_payload(frame), out);
    buffer_append_char(out, '\n');
}

void stream_fini(struct client *client)
{
    free(stream_of(client)->cursor);
}
