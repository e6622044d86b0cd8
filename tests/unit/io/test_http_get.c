#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <roomcast/base/clock.h>
#include <roomcast/io/http_get.h>
#include <roomcast/io/http_server.h>

#define BODY_MAX 100

/* A server that says what it was told to, to one client, whatever that asks. */
struct canned {
    int listener;
    uint16_t port;
    pthread_t thread;
    const char *answer; /* NULL: none, and the connection stays open until the client ends it */
};

static void *serve(void *context)
{
    struct canned *canned = context;
    char request[512];
    int client = accept(canned->listener, NULL, NULL);
    assert_true(client >= 0);
    assert_true(recv(client, request, sizeof request, 0) > 0);
    if (canned->answer)
        assert_true(send(client, canned->answer, strlen(canned->answer), MSG_NOSIGNAL) >= 0);
    else
        while (recv(client, request, sizeof request, 0) > 0)
            ;
    close(client);
    return NULL;
}

static void start(struct canned *canned, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    canned->answer = answer;
    canned->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(canned->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(canned->listener, 1), 0);
    assert_int_equal(getsockname(canned->listener, (struct sockaddr *)&address, &len), 0);
    canned->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&canned->thread, NULL, serve, canned), 0);
}

static unsigned expected_status; /* of an answer that is ERR_UNAVAILABLE */

static enum err ask(uint16_t port, uint64_t timeout_ms, struct buffer *body)
{
    unsigned status = 1;
    const struct http_get request = {.host = "127.0.0.1",
                                     .port = port,
                                     .path = "/cluster",
                                     .timeout_ms = timeout_ms,
                                     .ret_status = &status};
    buffer_init(body, BODY_MAX);
    enum err err = http_get(&request, body);
    assert_int_equal(status, err == ERR_OK ? 200 : err == ERR_UNAVAILABLE ? expected_status : 0);
    return err;
}

/* What comes of such an answer; the body, when there is one, must be `body`. */
static void expect(const char *answer, enum err err, const char *body)
{
    struct canned canned;
    struct buffer got;
    start(&canned, answer);
    assert_int_equal(ask(canned.port, 10000, &got), err);
    pthread_join(canned.thread, NULL);
    close(canned.listener);
    assert_int_equal(got.len, strlen(body));
    assert_memory_equal(got.data ? got.data : "", body, got.len);
    buffer_fini(&got);
}

static void on_exchange(void *context, struct http_exchange *exchange)
{
    (void)context;
    http_answer(exchange, 200, "text/plain", http_path(exchange), NULL, NULL);
}

static void our_own_server_is_understood(void **state)
{
    (void)state;
    char problem[256];
    struct http_server *server;
    struct buffer body;
    const struct http_server_options options = {
        .host = "127.0.0.1", .max_body_bytes = 100, .max_connections = 4, .timeout_s = 10};
    assert_int_equal(http_server_new(&options, on_exchange, NULL, &server, problem), ERR_OK);
    assert_int_equal(ask(http_server_port(server), 10000, &body), ERR_OK);
    assert_string_equal(buffer_text(&body), "/cluster");
    buffer_fini(&body);
    http_server_free(&server);
}

static void a_body_ends_with_its_length_or_with_the_connection(void **state)
{
    (void)state;
    expect("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 3\r\n\r\nabcdef", ERR_OK, "abc");
    expect("HTTP/1.0 200 OK\r\nServer: x\r\n\r\nabcdef", ERR_OK, "abcdef");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ERR_OK, "");
}

static void what_is_cut_short_or_no_http_is_refused(void **state)
{
    (void)state;
    expect("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nabcdef", ERR_SYNTAX, "");
    expect("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabcdef", ERR_SYNTAX, "");
    expect("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabcdef", ERR_SYNTAX, "");
    expect("HTTP/1.1 200 OK\r\n", ERR_SYNTAX, "");
    expect("\r\n\r\n", ERR_SYNTAX, "");
    expect("SSH-2.0-x\r\n\r\n", ERR_SYNTAX, "");
    expect("", ERR_SYNTAX, "");
}

static void another_status_is_told_with_its_body(void **state)
{
    (void)state;
    expected_status = 503;
    expect("HTTP/1.1 503 Service Unavailable\r\n\r\nabc", ERR_UNAVAILABLE, "abc");
    expected_status = 301;
    expect("HTTP/1.1 301 Moved\r\nLocation: http://example.com/\r\n\r\n", ERR_UNAVAILABLE, "");
    expected_status = 0;
    expect("HTTP/1.1 2x0 OK\r\n\r\nabc", ERR_SYNTAX, "");
}

static void more_than_the_limit_is_not_read(void **state)
{
    (void)state;
    static char answer[BODY_MAX + 9000];
    int head = snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\n\r\n");
    memset(answer + head, 'x', BODY_MAX + 1);
    expect(answer, ERR_TOO_BIG, "");
    memset(answer + head, 'x', sizeof answer - 1 - (size_t)head);
    expect(answer, ERR_TOO_BIG, "");
}

static void silence_ends_with_the_time_allowed(void **state)
{
    (void)state;
    struct canned canned;
    struct buffer body;
    uint64_t began_ms = clock_monotonic_ms();
    start(&canned, NULL);
    assert_int_equal(ask(canned.port, 200, &body), ERR_TIMEOUT);
    assert_true(clock_monotonic_ms() - began_ms >= 200);
    pthread_join(canned.thread, NULL);
    close(canned.listener);
}

static void nobody_there_is_said_at_once(void **state)
{
    (void)state;
    struct canned canned;
    struct buffer body;
    start(&canned, "HTTP/1.0 200 OK\r\n\r\n");
    assert_int_equal(ask(canned.port, 10000, &body), ERR_OK);
    pthread_join(canned.thread, NULL);
    close(canned.listener);
    assert_int_equal(ask(canned.port, 10000, &body), ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_server_is_understood),
        cmocka_unit_test(a_body_ends_with_its_length_or_with_the_connection),
        cmocka_unit_test(what_is_cut_short_or_no_http_is_refused),
        cmocka_unit_test(another_status_is_told_with_its_body),
        cmocka_unit_test(more_than_the_limit_is_not_read),
        cmocka_unit_test(silence_ends_with_the_time_allowed),
        cmocka_unit_test(nobody_there_is_said_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
