/* A WebSocket server whose sockets fail as a kernel may, or that is short of memory: what a client gets is
 * the frames it is owed, whole and in order, as far as they come. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/frame.h>
#include <roomcast/io/ws_server.h>

#include "failing_heap.h"
#include "faulty_sockets.h"
#include "raw_client.h"
#include "seeded.h"

#define CLIENTS     12
#define FRAMES      40 /* for each client */
#define MESSAGES    20 /* of each client */
#define FRAME_BYTES 6000
#define END_CODE    4200
#define CLOSE_BYTES 7 /* of the close frame with "end" */
#define DEADLINE_MS 20000
#define SEEDS       20

static unsigned served; /* clients that got all */
static bool has_uring;  /* the kernel allows it */

/* --- the server: each connection is owed frames 0 to FRAMES - 1, and then the close frame --- */

struct receiver {
    struct ws_connection *connection; /* NULL: not open */
    unsigned next;                    /* frame to be sent */
    unsigned heard;                   /* messages */
    bool is_blocked, is_closing;
};

static struct {
    struct loop *loop;
    struct loop_wake *wake;
    struct loop_timer *pump;
    struct ws_server *server;
    pthread_t thread;
    struct receiver receivers[CLIENTS];
    unsigned accepted, ended;
    unsigned heard; /* messages of all */
    struct frame *frames[FRAMES];
} world;

/* As many bytes as its number says, none like its neighbour. */
static size_t make_text(unsigned number, char text[FRAME_BYTES])
{
    size_t len = 8 + (number * 977u) % (FRAME_BYTES - 8);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + (number * 7 + i) % 26);
    snprintf(text, 8, "%06u:", number);
    text[7] = ' ';
    return len;
}

static void on_request(void *context, struct ws_connection *connection, const struct ws_request *request,
                       struct ws_decision *decision)
{
    (void)context;
    (void)connection;
    assert_true(request->is_upgrade);
    assert_true(world.accepted < CLIENTS);
    decision->accept = true;
    decision->session = &world.receivers[world.accepted++];
}

static void on_open(void *context, struct ws_connection *connection, void *session)
{
    struct receiver *receiver = session;
    (void)context;
    receiver->connection = connection;
}

static void on_abandoned(void *context, void *session)
{
    (void)context;
    (void)session;
    world.ended++;
}

static void on_message(void *context, struct ws_connection *connection, struct slice text)
{
    struct receiver *receiver = ws_connection_session(connection);
    char wanted[FRAME_BYTES];
    size_t len = make_text(receiver->heard, wanted);
    (void)context;
    assert_int_equal(text.len, len);
    assert_memory_equal(text.data, wanted, len);
    receiver->heard++;
    world.heard++;
}

static void on_too_big(void *context, struct ws_connection *connection)
{
    (void)context;
    (void)connection;
    fail_msg("no message is too big");
}

static void on_pong(void *context, struct ws_connection *connection)
{
    (void)context;
    (void)connection;
    fail_msg("nobody sends a pong");
}

static void on_writable(void *context, struct ws_connection *connection)
{
    (void)context;
    ((struct receiver *)ws_connection_session(connection))->is_blocked = false;
}

static void on_closed(void *context, struct ws_connection *connection, enum ws_end end, unsigned code)
{
    (void)context;
    (void)code;
    assert_int_not_equal(end, WS_END_FAULT);
    ((struct receiver *)ws_connection_session(connection))->connection = NULL;
    world.ended++;
}

/* One frame to each that may take one, in one call. */
static void pump(void *context)
{
    struct ws_send sends[CLIENTS];
    struct receiver *to[CLIENTS];
    size_t count = 0;
    (void)context;
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct receiver *receiver = &world.receivers[i];
        if (!receiver->connection || receiver->is_blocked || receiver->is_closing)
            continue;
        if (receiver->next == FRAMES) {
            if (receiver->heard == MESSAGES) {
                receiver->is_closing = true;
                ws_connection_close(receiver->connection, END_CODE, "end");
            }
            continue;
        }
        const struct frame *frame = world.frames[receiver->next];
        to[count] = receiver;
        sends[count++] =
            (struct ws_send){.connection = receiver->connection, .bytes = frame->bytes, .len = frame->len};
    }
    ws_server_send(world.server, sends, count);
    for (size_t i = 0; i < count; i++) {
        to[i]->next += sends[i].result != WS_GONE;
        to[i]->is_blocked = sends[i].result == WS_BLOCKED;
    }
}

static void on_wake(void *context)
{
    (void)context;
    loop_stop(world.loop);
}

static void *run(void *context)
{
    (void)context;
    loop_run(world.loop);
    ws_server_free(&world.server);
    return NULL;
}

static uint16_t start_server(void)
{
    char problem[256];
    memset(&world.receivers, 0, sizeof world.receivers);
    world.accepted = world.ended = world.heard = 0;
    assert_int_equal(loop_new(&world.loop), ERR_OK);
    assert_int_equal(loop_wake_new(world.loop, on_wake, NULL, &world.wake), ERR_OK);
    assert_int_equal(loop_timer_new(world.loop, pump, NULL, &world.pump), ERR_OK);
    const struct ws_server_options options = {.loop = world.loop,
                                              .host = "127.0.0.1",
                                              .max_message_bytes = FRAME_BYTES,
                                              .max_header_bytes = 4096,
                                              .handshake_timeout_s = 60,
                                              .close_timeout_s = 60,
                                              .io_uring = true,
                                              .max_sockets = 2 * CLIENTS};
    const struct ws_handlers handlers = {.on_request = on_request,
                                         .on_open = on_open,
                                         .on_abandoned = on_abandoned,
                                         .on_message = on_message,
                                         .on_too_big = on_too_big,
                                         .on_pong = on_pong,
                                         .on_writable = on_writable,
                                         .on_closed = on_closed};
    assert_int_equal(ws_server_new(&options, &handlers, &world.server, problem), ERR_OK);
    uint16_t port = ws_server_port(world.server);
    has_uring = !ws_server_plain_writes(world.server);
    loop_timer_start(world.pump, 1, 1);
    assert_int_equal(pthread_create(&world.thread, NULL, run, NULL), 0);
    return port;
}

/* Every session has ended by then, once. */
static void stop_server(void)
{
    loop_wake_send(world.wake);
    pthread_join(world.thread, NULL);
    loop_free(&world.loop);
    assert_int_equal(world.ended, world.accepted);
}

/* --- the clients: one thread, trusted sockets --- */

struct client {
    struct raw_client raw;
    size_t taken; /* bytes of what is owed, behind the answer to the upgrade */
    bool is_open; /* that answer came */
    bool has_ended;
    bool may_be_refused; /* with 503, or by a close frame in the place of what is owed */
    bool is_refused;     /* what else comes does not matter */
};

static struct {
    unsigned char *bytes; /* all that a client is owed: frames, and the close frame */
    size_t len;
} owed;

static int make_owed(void **state)
{
    char text[FRAME_BYTES];
    const unsigned char close_frame[] = {0x88, 5, END_CODE >> 8, END_CODE & 0xFF, 'e', 'n', 'd'};
    (void)state;
    owed.bytes = malloc(FRAMES * (FRAME_BYTES + 14) + sizeof close_frame);
    owed.len = 0;
    for (unsigned number = 0; number < FRAMES; number++) {
        size_t len = make_text(number, text);
        world.frames[number] = frame_new(FRAME_TEXT, (struct slice){text, len});
        if (!world.frames[number])
            return 1;
        memcpy(owed.bytes + owed.len, world.frames[number]->bytes, world.frames[number]->len);
        owed.len += world.frames[number]->len;
    }
    memcpy(owed.bytes + owed.len, close_frame, sizeof close_frame);
    owed.len += sizeof close_frame;
    start_server(); /* what the libraries open once for the process is open from now on */
    stop_server();
    return 0;
}

static int free_owed(void **state)
{
    (void)state;
    for (unsigned number = 0; number < FRAMES; number++)
        frame_unref(&world.frames[number]);
    free(owed.bytes);
    return 0;
}

static bool is_boundary(size_t taken)
{
    size_t at = 0;
    for (unsigned number = 0; number < FRAMES && at < taken; number++)
        at += world.frames[number]->len;
    return at == taken;
}

/* What was received, up to now, is what is owed next. */
static void compare(struct client *client)
{
    struct raw_client *raw = &client->raw;
    if (!client->is_open) {
        const unsigned char *end = memmem(raw->bytes, raw->len, "\r\n\r\n", 4);
        if (!end)
            return;
        if (client->may_be_refused && memcmp(raw->bytes, "HTTP/1.1 503 ", 13) == 0) {
            client->is_refused = true;
            return;
        }
        assert_memory_equal(raw->bytes, "HTTP/1.1 101 ", 13);
        size_t head = (size_t)(end + 4 - raw->bytes);
        memmove(raw->bytes, raw->bytes + head, raw->len - head);
        raw->len -= head;
        client->is_open = true;
    }
    if (client->may_be_refused && raw->len > 0 && raw->bytes[0] == 0x88 && is_boundary(client->taken)) {
        client->is_refused = client->taken < owed.len - CLOSE_BYTES;
        if (client->is_refused)
            return;
    }
    assert_true(raw->len <= owed.len - client->taken);
    assert_memory_equal(raw->bytes, owed.bytes + client->taken, raw->len);
    client->taken += raw->len;
    raw->len = 0;
}

static void receive(struct client *client)
{
    struct raw_client *raw = &client->raw;
    ssize_t got = recv(raw->fd, raw->bytes + raw->len, RAW_BUFFER - raw->len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0)
        raw->len += (size_t)got;
    if (client->is_refused)
        raw->len = 0;
    else
        compare(client);
    if (got <= 0) {
        client->has_ended = true;
    } else if (client->taken == owed.len) { /* goodbye */
        unsigned char frame[32];
        raw_send_while_taken(raw, frame, raw_make_frame(frame, 0x88, "\x10\x68", 2));
    }
}

static void say_all(struct client *client)
{
    char text[FRAME_BYTES];
    unsigned char frame[FRAME_BYTES + 14];
    raw_send_while_taken(&client->raw, "GET /ws HTTP/1.1\r\n" RAW_UPGRADE "\r\n",
                         sizeof("GET /ws HTTP/1.1\r\n" RAW_UPGRADE "\r\n") - 1);
    for (unsigned number = 0; number < MESSAGES; number++) {
        size_t len = make_text(number, text);
        raw_send_while_taken(&client->raw, frame, raw_make_frame(frame, 0x81, text, len));
    }
}

static void receive_all(struct client *clients, unsigned count)
{
    uint64_t deadline_ms = clock_monotonic_ms() + DEADLINE_MS;
    for (unsigned open = count; open > 0;) {
        struct pollfd fds[CLIENTS];
        open = 0;
        for (unsigned i = 0; i < count; i++) {
            fds[i] = (struct pollfd){.fd = clients[i].has_ended ? -1 : clients[i].raw.fd, .events = POLLIN};
            open += !clients[i].has_ended;
        }
        uint64_t now_ms = clock_monotonic_ms();
        if (open > 0 && (now_ms >= deadline_ms || poll(fds, count, (int)(deadline_ms - now_ms)) == 0))
            fail_msg("%u clients are still served after %u ms; the first has %zu of %zu bytes", open,
                     DEADLINE_MS, clients[0].taken, owed.len);
        for (unsigned i = 0; i < count; i++) {
            if (fds[i].fd >= 0 && fds[i].revents)
                receive(&clients[i]);
        }
    }
}

static unsigned open_files(void)
{
    unsigned count = 0;
    DIR *files = opendir("/proc/self/fd");
    assert_non_null(files);
    while (readdir(files))
        count++;
    closedir(files);
    return count;
}

static void serve(uint64_t seed, unsigned per_thousand, bool breaks)
{
    static struct client clients[CLIENTS];
    const struct faulty_sockets how = {.per_thousand = per_thousand, .breaks = breaks};
    unsigned files = open_files();
    memset(clients, 0, sizeof clients);
    uint16_t port = start_server();
    faulty_sockets_begin(seed, &how);
    for (unsigned i = 0; i < CLIENTS; i++) {
        raw_open(&clients[i].raw, port);
        say_all(&clients[i]);
    }
    receive_all(clients, CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++) {
        served += clients[i].taken == owed.len;
        raw_close(&clients[i].raw);
    }
    faulty_sockets_end();
    stop_server();
    assert_int_equal(open_files(), files);
}

static void serve_all(uint64_t seed)
{
    unsigned before = served;
    serve(seed, 100, false);
    assert_int_equal(served - before, CLIENTS);
    assert_int_equal(world.heard, CLIENTS * MESSAGES);
}

static void short_counts_and_full_buffers_delay_what_a_client_gets_and_change_nothing(void **state)
{
    (void)state;
    seeded_runs(SEEDS, serve_all);
    for (enum faulty_call call = 0; call < FAULTY_CALLS; call++) {
        if (call != FAULTY_URING || has_uring)
            assert_true(faulty_sockets_met(call) > 0);
    }
}

static void serve_some(uint64_t seed)
{
    serve(seed, 20, true);
}

static void a_client_whose_connection_breaks_has_got_nothing_wrong_and_the_others_get_all(void **state)
{
    (void)state;
    served = 0;
    seeded_runs(SEEDS, serve_some);
    assert_in_range(served, 1, (uint64_t)SEEDS * CLIENTS - 1);
}

/* One that comes while the n-th allocation of the server's thread fails. */
static bool serve_without_memory(size_t n, bool lasting)
{
    struct client client = {.may_be_refused = true};
    unsigned files = open_files();
    uint16_t port = start_server();
    failing_heap_fail(n, lasting, true);
    raw_open(&client.raw, port);
    say_all(&client);
    receive_all(&client, 1);
    raw_close(&client.raw);
    bool failed = failing_heap_has_failed();
    failing_heap_fail(0, false, false);
    stop_server();
    assert_int_equal(open_files(), files);
    assert_true(failed || client.taken == owed.len);
    return failed;
}

static void without_memory_a_client_is_refused_or_closed_or_gets_what_it_is_owed(void **state)
{
    (void)state;
    for (int lasting = 0; lasting < 2; lasting++) {
        size_t n = 1;
        while (serve_without_memory(n, lasting))
            n++;
        assert_true(n > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_counts_and_full_buffers_delay_what_a_client_gets_and_change_nothing),
        cmocka_unit_test(without_memory_a_client_is_refused_or_closed_or_gets_what_it_is_owed),
        cmocka_unit_test(a_client_whose_connection_breaks_has_got_nothing_wrong_and_the_others_get_all),
    };
    return cmocka_run_group_tests(tests, make_owed, free_owed);
}
