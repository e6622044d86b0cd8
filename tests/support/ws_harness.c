#include "ws_harness.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/condition.h>
#include <roomcast/base/frame.h>

#define NOTES_MAX  4096
#define FILL_BYTES 8192
#define PROBLEM    256

struct harness {
    pthread_t thread;
    struct loop *loop;
    struct loop_wake *wake;
    struct ws_server *server;
    uint16_t port;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct note notes[NOTES_MAX]; /* under lock, as all below */
    bool taken[NOTES_MAX];
    size_t count;
    bool stop, resume, accept, refuse;

    /* The loop's thread only. */
    struct ws_connection *paused, *undecided;
    char to_do[64]; /* when the stream opens that was asked for last */
    int sessions;   /* accepted and not yet ended */
};

static void add_note(struct harness *harness, const struct note *note)
{
    pthread_mutex_lock(&harness->lock);
    if (harness->count < NOTES_MAX)
        harness->notes[harness->count++] = *note;
    pthread_cond_broadcast(&harness->changed);
    pthread_mutex_unlock(&harness->lock);
}

static void add_plain(struct harness *harness, enum noted kind)
{
    const struct note note = {.kind = kind};
    add_note(harness, &note);
}

static bool offers_roomcast(struct slice list)
{
    return memmem(list.data ? list.data : "", list.len, "roomcast.v1", 11) != NULL;
}

static bool starts(struct slice text, const char *prefix, struct slice *ret_rest)
{
    size_t len = strlen(prefix);
    if (text.len < len || memcmp(text.data, prefix, len) != 0)
        return false;
    *ret_rest = (struct slice){text.data + len, text.len - len};
    return true;
}

static void on_request(void *context, struct ws_connection *connection, const struct ws_request *request,
                       struct ws_decision *decision)
{
    struct harness *harness = context;
    struct note note = {.kind = NOTED_REQUEST};
    snprintf(note.text, sizeof note.text, "%.*s %.*s %.*s [%.*s] %s", SLICE_FMT(request->method),
             SLICE_FMT(request->path), SLICE_FMT(request->query_token), SLICE_FMT(request->subprotocols),
             request->fault ? request->fault : "-");
    add_note(harness, &note);
    if (slice_equal(request->path, SLICE_LITERAL("/refuse"))) {
        *decision = (struct ws_decision){
            .status = 401, .body = SLICE_LITERAL("{\"code\":\"UNAUTHORIZED\"}"), .retry_after_s = 7};
        return;
    }
    if (slice_equal(request->path, SLICE_LITERAL("/later"))) {
        *decision = (struct ws_decision){.pending = true, .session = harness};
        assert_null(harness->undecided);
        harness->undecided = connection;
        add_plain(harness, NOTED_PENDING);
        return;
    }
    struct slice to_do;
    if (starts(request->path, "/stream", &to_do)) {
        *decision = (struct ws_decision){.accept = true,
                                         .is_stream = true,
                                         .session = harness,
                                         .content_type = "text/plain",
                                         .headers = SLICE_LITERAL("X-More: yes\r\n"),
                                         .body = SLICE_LITERAL(HARNESS_STREAM),
                                         .unacknowledged_ms = HARNESS_UNACKNOWLEDGED_MS};
        snprintf(harness->to_do, sizeof harness->to_do, "%.*s", SLICE_FMT(to_do));
        harness->sessions++;
        return;
    }
    if (!request->is_upgrade) {
        *decision = (struct ws_decision){.status = request->fault ? 400 : 426, .body = SLICE_LITERAL("{}")};
        return;
    }
    decision->accept = true;
    decision->session = harness;
    decision->subprotocol = offers_roomcast(request->subprotocols) ? "roomcast.v1" : NULL;
    harness->sessions++;
}

static void on_withdrawn(void *context, void *session)
{
    struct harness *harness = context;
    assert_ptr_equal(session, harness);
    assert_non_null(harness->undecided);
    harness->undecided = NULL;
    add_plain(harness, NOTED_WITHDRAWN);
}

static void decide(struct harness *harness, bool accept)
{
    struct ws_decision decision = {.status = 401, .body = SLICE_LITERAL("{\"code\":\"UNAUTHORIZED\"}")};
    struct ws_connection *connection = harness->undecided;
    if (!connection)
        return;
    if (accept) {
        decision = (struct ws_decision){.accept = true, .session = harness};
        harness->sessions++;
    }
    harness->undecided = NULL;
    ws_connection_decide(connection, &decision);
}

static void obey(struct harness *harness, struct ws_connection *connection, struct slice text);

static void on_open(void *context, struct ws_connection *connection, void *session)
{
    struct harness *harness = context;
    assert_ptr_equal(session, harness);
    assert_ptr_equal(ws_connection_session(connection), harness);
    struct note note = {.kind = NOTED_OPEN};
    snprintf(note.text, sizeof note.text, "%s", ws_connection_peer(connection));
    add_note(harness, &note);
    if (ws_connection_is_stream(connection) && harness->to_do[0] == '/')
        obey(harness, connection, slice_of(harness->to_do + 1));
}

static enum ws_write put(struct ws_connection *connection, const void *bytes, size_t len)
{
    struct harness *harness = ws_connection_session(connection);
    struct ws_send item = {.connection = connection, .bytes = bytes, .len = len};
    ws_server_send(harness->server, &item, 1);
    return item.result;
}

static enum ws_write write_text(struct ws_connection *connection, struct slice text, int times)
{
    struct frame *frame = frame_new(FRAME_TEXT, text);
    assert_non_null(frame);
    char *bytes = malloc(frame->len * (size_t)times);
    assert_non_null(bytes);
    for (int at = 0; at < times; at++)
        memcpy(bytes + frame->len * (size_t)at, frame->bytes, frame->len);
    enum ws_write result = put(connection, bytes, frame->len * (size_t)times);
    memset(bytes, 0, frame->len * (size_t)times); /* they need not live on */
    free(bytes);
    frame_unref(&frame);
    return result;
}

static void write_filled(struct ws_connection *connection, size_t len)
{
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'x', len);
    write_text(connection, (struct slice){text, len}, 1);
    free(text);
}

static void fill(struct harness *harness, struct ws_connection *connection)
{
    char text[FILL_BYTES];
    memset(text, 'x', sizeof text);
    while (write_text(connection, (struct slice){text, sizeof text}, 1) == WS_WRITTEN)
        ;
    add_plain(harness, NOTED_BLOCKED);
}

static void obey(struct harness *harness, struct ws_connection *connection, struct slice text)
{
    struct slice rest;
    char reason[200];
    unsigned code;
    if (starts(text, "echo:", &rest))
        assert_int_equal(write_text(connection, rest, 1), WS_WRITTEN);
    else if (starts(text, "twice:", &rest))
        assert_int_equal(write_text(connection, rest, 2), WS_WRITTEN);
    else if (starts(text, "close:", &rest)) {
        snprintf(reason, sizeof reason, "%.*s", SLICE_FMT(rest));
        code = (unsigned)strtoul(reason, NULL, 10);
        ws_connection_close(connection, code, strchr(reason, ':') + 1);
        assert_int_equal(put(connection, "\x81", 1), WS_GONE);
    } else if (starts(text, "drop", &rest)) {
        ws_connection_drop(connection);
        assert_int_equal(put(connection, "\x81", 1), WS_GONE);
    } else if (starts(text, "pause", &rest)) {
        harness->paused = connection;
        ws_connection_pause(connection, true);
    } else if (starts(text, "fill-close", &rest)) {
        fill(harness, connection);
        ws_connection_close(connection, 4108, "slow");
    } else if (starts(text, "fill", &rest)) {
        fill(harness, connection);
    } else if (starts(text, "big", &rest)) {
        write_filled(connection, HARNESS_BIG);
    }
}

static void on_message(void *context, struct ws_connection *connection, struct slice text)
{
    struct note note = {.kind = NOTED_MESSAGE, .code = (unsigned)text.len};
    snprintf(note.text, sizeof note.text, "%.*s", SLICE_FMT(text));
    add_note(context, &note);
    obey(context, connection, text);
}

static void on_too_big(void *context, struct ws_connection *connection)
{
    add_plain(context, NOTED_TOO_BIG);
    ws_connection_close(connection, 4009, "too big");
}

static void on_pong(void *context, struct ws_connection *connection)
{
    (void)connection;
    add_plain(context, NOTED_PONG);
}

static void on_writable(void *context, struct ws_connection *connection)
{
    add_plain(context, NOTED_WRITABLE);
    write_text(connection, SLICE_LITERAL("writable"), 1);
}

static void on_closed(void *context, struct ws_connection *connection, enum ws_end end, unsigned code)
{
    struct harness *harness = context;
    const struct note note = {.kind = NOTED_CLOSED, .end = end, .code = code};
    if (harness->paused == connection)
        harness->paused = NULL;
    assert_int_equal(put(connection, "\x81", 1), WS_GONE);
    harness->sessions--;
    add_note(harness, &note);
}

static void on_abandoned(void *context, void *session)
{
    (void)session;
    ((struct harness *)context)->sessions--;
}

static void on_bad_request(void *context, unsigned status, const char *what)
{
    struct note note = {.kind = NOTED_BAD_REQUEST, .code = status};
    snprintf(note.text, sizeof note.text, "%s", what);
    add_note(context, &note);
}

static void on_refused(void *context, enum ws_refused why)
{
    const struct note note = {.kind = NOTED_REFUSED, .code = why};
    add_note(context, &note);
}

static void on_busy(void *context)
{
    add_plain(context, NOTED_BUSY);
}

static void on_wake(void *context)
{
    struct harness *harness = context;
    pthread_mutex_lock(&harness->lock);
    bool stop = harness->stop, resume = harness->resume;
    bool accept = harness->accept, refuse = harness->refuse;
    harness->resume = harness->accept = harness->refuse = false;
    pthread_mutex_unlock(&harness->lock);
    if (resume && harness->paused)
        ws_connection_pause(harness->paused, false);
    if (accept || refuse)
        decide(harness, accept);
    if (stop)
        loop_stop(harness->loop);
}

static void *run(void *context)
{
    struct harness *harness = context;
    loop_run(harness->loop);
    ws_server_free(&harness->server);
    return NULL;
}

static struct harness *start(uint16_t port, const struct harness_guard *guard, unsigned close_timeout_s,
                             bool permessage_deflate)
{
    struct harness *harness = calloc(1, sizeof *harness);
    assert_non_null(harness);
    pthread_mutex_init(&harness->lock, NULL);
    condition_init_monotonic(&harness->changed);
    assert_int_equal(loop_new(&harness->loop), ERR_OK);
    assert_int_equal(loop_wake_new(harness->loop, on_wake, harness, &harness->wake), ERR_OK);
    const struct ws_server_options options = {.loop = harness->loop,
                                              .host = "127.0.0.1",
                                              .port = port,
                                              .max_message_bytes = HARNESS_MESSAGE_MAX,
                                              .max_header_bytes = HARNESS_HEADER_MAX,
                                              .handshake_timeout_s = guard->handshake_timeout_s,
                                              .close_timeout_s = close_timeout_s,
                                              .io_uring = true,
                                              .permessage_deflate = permessage_deflate,
                                              .proxies = guard->proxies,
                                              .max_pending = guard->max_pending,
                                              .max_sockets = guard->max_sockets ? guard->max_sockets
                                                                                : HARNESS_SOCKETS_MAX};
    const struct ws_handlers handlers = {.on_request = on_request,
                                         .on_withdrawn = on_withdrawn,
                                         .on_open = on_open,
                                         .on_abandoned = on_abandoned,
                                         .on_message = on_message,
                                         .on_too_big = on_too_big,
                                         .on_pong = on_pong,
                                         .on_writable = on_writable,
                                         .on_closed = on_closed,
                                         .on_bad_request = on_bad_request,
                                         .on_refused = on_refused,
                                         .on_busy = on_busy,
                                         .context = harness};
    char problem[PROBLEM];
    assert_int_equal(ws_server_new(&options, &handlers, &harness->server, problem), ERR_OK);
    harness->port = ws_server_port(harness->server);
    assert_int_equal(pthread_create(&harness->thread, NULL, run, harness), 0);
    return harness;
}

struct harness *harness_start(uint16_t port, unsigned handshake_timeout_s, unsigned close_timeout_s)
{
    const struct harness_guard guard = {.handshake_timeout_s = handshake_timeout_s};
    return start(port, &guard, close_timeout_s, false);
}

struct harness *harness_start_deflating(void)
{
    const struct harness_guard guard = {.handshake_timeout_s = 60};
    return start(0, &guard, 60, true);
}

struct harness *harness_start_guarded(const struct harness_guard *guard)
{
    return start(0, guard, 60, false);
}

struct harness *harness_start_default(void)
{
    return harness_start(0, 60, 60);
}

uint16_t harness_port(const struct harness *harness)
{
    return harness->port;
}

static void ask(struct harness *harness, bool *what)
{
    pthread_mutex_lock(&harness->lock);
    *what = true;
    pthread_mutex_unlock(&harness->lock);
    loop_wake_send(harness->wake);
}

void harness_stop(struct harness *harness)
{
    ask(harness, &harness->stop);
    pthread_join(harness->thread, NULL);
    assert_int_equal(harness->sessions, 0);
    loop_free(&harness->loop);
    pthread_cond_destroy(&harness->changed);
    pthread_mutex_destroy(&harness->lock);
    free(harness);
}

static bool find(struct harness *harness, enum noted kind, struct note *ret_note)
{
    for (size_t at = 0; at < harness->count; at++) {
        if (harness->notes[at].kind == kind && !harness->taken[at]) {
            harness->taken[at] = true;
            *ret_note = harness->notes[at];
            return true;
        }
    }
    return false;
}

struct note harness_wait(struct harness *harness, enum noted kind)
{
    struct note note;
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += RAW_DEADLINE_MS / 1000;
    pthread_mutex_lock(&harness->lock);
    bool found = find(harness, kind, &note);
    while (!found && pthread_cond_timedwait(&harness->changed, &harness->lock, &deadline) == 0)
        found = find(harness, kind, &note);
    pthread_mutex_unlock(&harness->lock);
    if (!found)
        fail_msg("no note of kind %d came", kind);
    return note;
}

unsigned harness_count(struct harness *harness, enum noted kind)
{
    unsigned count = 0;
    pthread_mutex_lock(&harness->lock);
    for (size_t at = 0; at < harness->count; at++)
        count += harness->notes[at].kind == kind && !harness->taken[at];
    pthread_mutex_unlock(&harness->lock);
    return count;
}

void harness_expect_closed(struct harness *harness, enum ws_end end, unsigned code)
{
    struct note note = harness_wait(harness, NOTED_CLOSED);
    assert_int_equal(note.end, end);
    assert_int_equal(note.code, code);
}

void harness_finish(struct harness *harness, struct raw_client *client)
{
    raw_send_frame(client, 0x88, "\x03\xE8", 2);
    raw_expect_close(client, 1000);
    raw_expect_end(client, false);
    harness_expect_closed(harness, WS_END_CLIENT, 1000);
}

void harness_expect_fault(struct harness *harness, struct raw_client *client, unsigned code)
{
    raw_expect_close(client, code);
    raw_expect_end(client, false);
    harness_expect_closed(harness, WS_END_FAULT, code);
    assert_int_equal(harness_count(harness, NOTED_CLOSED), 0);
}

void harness_resume(struct harness *harness)
{
    ask(harness, &harness->resume);
}

void harness_decide(struct harness *harness, bool accept)
{
    ask(harness, accept ? &harness->accept : &harness->refuse);
}
