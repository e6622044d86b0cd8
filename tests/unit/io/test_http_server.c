#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <roomcast/io/http_server.h>

#define MAX_BODY 1000

static struct {
    struct http_server *server;
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct http_exchange *waiting; /* of a request to /later */
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};

static void on_exchange(void *context, struct http_exchange *exchange)
{
    (void)context;
    if (slice_equal(http_path(exchange), SLICE_LITERAL("/later"))) {
        pthread_mutex_lock(&world.lock);
        world.waiting = exchange;
        pthread_cond_signal(&world.came);
        pthread_mutex_unlock(&world.lock);
        return;
    }
    if (slice_equal(http_path(exchange), SLICE_LITERAL("/peer"))) {
        const struct http_field fields[] = {{"X-First", "1"}, {"X-Second", "2"}, {"X-Third", "3"}};
        char peer[HTTP_PEER_SIZE];
        http_peer(exchange, peer);
        http_answer_with(exchange, 201, "text/plain", slice_of(peer), fields, 2);
        return;
    }
    char text[2048];
    snprintf(text, sizeof text, "%.*s %.*s [%.*s] key=%.*s", SLICE_FMT(http_method(exchange)),
             SLICE_FMT(http_path(exchange)), SLICE_FMT(http_body(exchange)),
             SLICE_FMT(http_header(exchange, "x-key")));
    http_answer(exchange, 200, "text/plain", slice_of(text), "X-More", "yes");
}

static int start(void **state)
{
    (void)state;
    char problem[256];
    struct http_server_options options = {
        .host = "127.0.0.1", .max_body_bytes = MAX_BODY, .max_connections = 16, .timeout_s = 10};
    world.waiting = NULL;
    return http_server_new(&options, on_exchange, NULL, &world.server, problem) == ERR_OK ? 0 : 1;
}

static int stop(void **state)
{
    (void)state;
    http_server_free(&world.server);
    return 0;
}

static int send_request(const char *request)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http_server_port(world.server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    return fd;
}

static char answer[8192];

/* Everything until the server closes. */
static const char *read_answer(int fd)
{
    size_t len = 0;
    ssize_t got;
    while ((got = read(fd, answer + len, sizeof answer - 1 - len)) > 0)
        len += (size_t)got;
    answer[len] = '\0';
    close(fd);
    return answer;
}

static const char *ask(const char *request)
{
    return read_answer(send_request(request));
}

static struct http_exchange *wait_for_exchange(void)
{
    pthread_mutex_lock(&world.lock);
    while (!world.waiting)
        pthread_cond_wait(&world.came, &world.lock);
    struct http_exchange *exchange = world.waiting;
    pthread_mutex_unlock(&world.lock);
    return exchange;
}

static void a_request_reaches_the_handler_whole(void **state)
{
    (void)state;
    const char *text = ask("POST /path?query=1 HTTP/1.1\r\nHost: x\r\nX-KEY: secret\r\nContent-Length: 5\r\n"
                           "Connection: close\r\n\r\nhello");
    assert_non_null(strstr(text, "HTTP/1.1 200"));
    assert_non_null(strstr(text, "POST /path [hello] key=secret"));
    assert_non_null(strstr(text, "X-More: yes"));
}

static void a_body_over_the_limit_is_refused_without_the_handler(void **state)
{
    (void)state;
    const char *text =
        ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(text, "HTTP/1.1 413"));
    assert_non_null(strstr(text, "PAYLOAD_TOO_LARGE"));
}

static void a_chunked_body_over_the_limit_is_refused_too(void **state)
{
    (void)state;
    char request[4096], chunk[1501];
    memset(chunk, 'x', 1500);
    chunk[1500] = '\0';
    snprintf(request, sizeof request,
             "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
             "5dc\r\n%s\r\n0\r\n\r\n",
             chunk);
    assert_non_null(strstr(ask(request), "HTTP/1.1 413"));
}

static void an_answer_has_all_its_fields_and_whoever_asked_is_known_by_address(void **state)
{
    (void)state;
    const char *text = ask("GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_non_null(strstr(text, "HTTP/1.1 201"));
    assert_non_null(strstr(text, "X-First: 1\r\n"));
    assert_non_null(strstr(text, "X-Second: 2\r\n"));
    assert_null(strstr(text, "X-Third"));
    assert_non_null(strstr(text, "Cache-Control: no-store\r\n"));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n127.0.0.1");
}

static void an_answer_may_come_later_from_another_thread(void **state)
{
    (void)state;
    int fd = send_request("GET /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    http_answer(wait_for_exchange(), 202, "text/plain", SLICE_LITERAL("done"), NULL, NULL);
    const char *text = read_answer(fd);
    assert_non_null(strstr(text, "HTTP/1.1 202"));
    assert_non_null(strstr(text, "done"));
}

static void an_open_exchange_is_answered_when_the_server_ends(void **state)
{
    (void)state;
    int fd = send_request("GET /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    struct http_exchange *exchange = wait_for_exchange();
    http_server_free(&world.server);
    assert_non_null(strstr(read_answer(fd), "HTTP/1.1 503"));
    /* Too late, and harmless. */
    http_answer(exchange, 200, "text/plain", SLICE_LITERAL("late"), NULL, NULL);
}

static void an_address_in_use_is_named(void **state)
{
    (void)state;
    char problem[256] = "";
    struct http_server *second;
    struct http_server_options options = {.host = "127.0.0.1",
                                          .port = http_server_port(world.server),
                                          .max_body_bytes = 1,
                                          .max_connections = 1,
                                          .timeout_s = 1};
    assert_int_equal(http_server_new(&options, on_exchange, NULL, &second, problem), ERR_IO);
    assert_non_null(strstr(problem, "127.0.0.1"));
    assert_non_null(strstr(problem, "in use"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_reaches_the_handler_whole, start, stop),
        cmocka_unit_test_setup_teardown(a_body_over_the_limit_is_refused_without_the_handler, start, stop),
        cmocka_unit_test_setup_teardown(a_chunked_body_over_the_limit_is_refused_too, start, stop),
        cmocka_unit_test_setup_teardown(an_answer_has_all_its_fields_and_whoever_asked_is_known_by_address,
                                        start, stop),
        cmocka_unit_test_setup_teardown(an_answer_may_come_later_from_another_thread, start, stop),
        cmocka_unit_test_setup_teardown(an_open_exchange_is_answered_when_the_server_ends, start, stop),
        cmocka_unit_test_setup_teardown(an_address_in_use_is_named, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
