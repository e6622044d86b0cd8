#include <roomcast/io/https_client.h>

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>
#include <roomcast/io/http_server.h>

#define BODY_MAX 1000

/* What the server answers; it keeps who asks for /silence. */
static struct {
    struct http_server *server;
    unsigned status;
    const char *header, *value;
    struct slice body;
    _Atomic(struct http_exchange *) kept;
} world;

static void on_exchange(void *context, struct http_exchange *exchange)
{
    (void)context;
    if (slice_equal(http_path(exchange), SLICE_LITERAL("/silence")))
        world.kept = exchange;
    else
        http_answer(exchange, world.status, "application/json", world.body, world.header, world.value);
}

static int set_up(void **state)
{
    const struct http_server_options options = {
        .host = "127.0.0.1", .max_body_bytes = 10, .max_connections = 8, .timeout_s = 10};
    char problem[256];
    (void)state;
    world.status = 200;
    world.header = world.value = NULL;
    world.body = SLICE_LITERAL("{}");
    world.kept = NULL;
    assert_int_equal(http_server_new(&options, on_exchange, NULL, &world.server, problem), ERR_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (world.kept)
        http_answer(world.kept, 200, "text/plain", SLICE_LITERAL(""), NULL, NULL);
    http_server_free(&world.server);
    return 0;
}

static struct https_client *client_of(const char *path, uint64_t timeout_ms)
{
    char url[128];
    struct https_client *client;
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", http_server_port(world.server), path);
    const struct https_client_options options = {
        .url = url, .ca_file = "", .connect_timeout_ms = timeout_ms, .timeout_ms = timeout_ms};
    assert_int_equal(https_client_new(&options, &client), ERR_OK);
    return client;
}

/* `body`: what came, with BODY_MAX. */
static enum err get(struct buffer *body, struct https_answer *answer)
{
    struct https_client *client = client_of("/", 10000);
    buffer_init(body, BODY_MAX);
    enum err err = https_client_get(client, body, answer);
    https_client_free(&client);
    return err;
}

static void an_answer_comes_whole_and_as_often_as_it_is_asked_for(void **state)
{
    (void)state;
    struct https_client *client = client_of("/", 10000);
    struct https_answer answer;
    struct buffer body;
    buffer_init(&body, BODY_MAX);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(https_client_get(client, &body, &answer), ERR_OK);
        assert_int_equal(answer.status, 200);
        assert_true(answer.has_max_age && answer.max_age_s == 0); /* no-store: this server says so itself */
    }
    assert_string_equal(buffer_text(&body), "{}{}{}");
    buffer_fini(&body);
    https_client_free(&client);
}

/* Answers one request with these bytes, over a socket of its own. */
struct one_answer {
    int listener;
    char text[512];
};

static void *answer_once(void *context)
{
    struct one_answer *one = context;
    char request[4096];
    int peer = accept(one->listener, NULL, NULL);
    if (recv(peer, request, sizeof request, 0) > 0)
        (void)!send(peer, one->text, strlen(one->text), MSG_NOSIGNAL);
    close(peer);
    return NULL;
}

static enum err get_from(struct one_answer *one, struct https_answer *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    char url[64];
    pthread_t thread;
    struct https_client *client;
    struct buffer body;
    one->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(one->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(one->listener, 1), 0);
    assert_int_equal(getsockname(one->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(address.sin_port));
    const struct https_client_options options = {
        .url = url, .ca_file = "", .connect_timeout_ms = 10000, .timeout_ms = 10000};
    assert_int_equal(https_client_new(&options, &client), ERR_OK);
    assert_int_equal(pthread_create(&thread, NULL, answer_once, one), 0);
    buffer_init(&body, BODY_MAX);
    enum err err = https_client_get(client, &body, answer);
    pthread_join(thread, NULL);
    https_client_free(&client);
    buffer_fini(&body);
    close(one->listener);
    return err;
}

static void check_age(const char *value, bool has, uint64_t age_s)
{
    struct https_answer answer;
    struct one_answer one;
    snprintf(one.text, sizeof one.text, "HTTP/1.1 200 OK\r\ncache-CONTROL: %s\r\nContent-Length: 0\r\n\r\n",
             value);
    assert_int_equal(get_from(&one, &answer), ERR_OK);
    if (answer.has_max_age != has || answer.max_age_s != age_s)
        fail_msg("%s: %d, %llu s", value, answer.has_max_age, (unsigned long long)answer.max_age_s);
}

static void what_is_no_http_is_refused(void **state)
{
    (void)state;
    struct https_answer answer;
    struct one_answer garbage = {.text = "SSH-2.0-OpenSSH\r\n"};
    struct one_answer cut = {.text = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"};
    assert_int_equal(get_from(&garbage, &answer), ERR_UNAVAILABLE);
    assert_int_equal(get_from(&cut, &answer), ERR_UNAVAILABLE);
    assert_true(answer.problem[0] != '\0');
}

static void it_says_for_how_long_it_is_fresh(void **state)
{
    (void)state;
    check_age("max-age=60", true, 60);
    check_age("public, Max-Age=60,must-revalidate", true, 60);
    check_age("s-maxage=7", false, 0);
    check_age("max-age=", false, 0);
    check_age("max-age=soon", false, 0);
    check_age("max-age=-1", false, 0);
    check_age("max-age=0", true, 0);
    check_age("max-age=99999999999999999999999999", true, 31536000);
    check_age("max-age=60, max-age=70", true, 60);
    check_age("no-store", true, 0);
    check_age("max-age=60, no-cache", true, 0);
    check_age(",,, ,", false, 0);
}

static void what_is_larger_than_the_buffer_is_refused(void **state)
{
    (void)state;
    static char large[BODY_MAX + 1];
    struct https_answer answer;
    struct buffer body;
    memset(large, 'x', sizeof large);
    world.body = (struct slice){large, BODY_MAX};
    assert_int_equal(get(&body, &answer), ERR_OK);
    assert_int_equal(body.len, BODY_MAX);
    buffer_fini(&body);
    world.body.len++;
    assert_int_equal(get(&body, &answer), ERR_TOO_BIG);
    assert_non_null(strstr(answer.problem, "more than 1000 bytes"));
    buffer_fini(&body);
}

static void no_status_but_200_is_taken_and_no_redirect_followed(void **state)
{
    (void)state;
    static const unsigned statuses[] = {201, 204, 301, 302, 307, 404, 500, 503};
    struct https_answer answer;
    struct buffer body;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", http_server_port(world.server));
    world.header = "Location";
    world.value = url;
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        world.status = statuses[i];
        assert_int_equal(get(&body, &answer), ERR_MISMATCH);
        assert_int_equal(answer.status, statuses[i]);
        assert_int_equal(strstr(answer.problem, "redirects") != NULL, statuses[i] / 100 == 3);
        buffer_fini(&body);
    }
}

static void nobody_there_and_no_answer_are_told_apart(void **state)
{
    (void)state;
    struct https_answer answer;
    struct buffer body;
    struct https_client *silent = client_of("/silence", 300), *nobody = client_of("/", 10000);
    buffer_init(&body, BODY_MAX);
    assert_int_equal(https_client_get(silent, &body, &answer), ERR_TIMEOUT);
    assert_int_equal(answer.status, 0);
    tear_down(NULL);
    world.kept = NULL;
    assert_int_equal(https_client_get(nobody, &body, &answer), ERR_UNAVAILABLE);
    assert_true(answer.problem[0] != '\0');
    buffer_fini(&body);
    https_client_free(&silent);
    https_client_free(&nobody);
    set_up(NULL);
}

static void *stop_soon(void *context)
{
    while (!world.kept)
        sched_yield();
    https_client_stop(context);
    return NULL;
}

static void a_get_under_way_can_be_stopped_and_none_begins_after_that(void **state)
{
    (void)state;
    struct https_answer answer;
    struct buffer body;
    struct https_client *client = client_of("/silence", 60000);
    pthread_t thread;
    buffer_init(&body, BODY_MAX);
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, client), 0);
    uint64_t began_ms = clock_monotonic_ms();
    assert_int_equal(https_client_get(client, &body, &answer), ERR_BUSY);
    assert_int_equal(https_client_get(client, &body, &answer), ERR_BUSY);
    assert_true(clock_monotonic_ms() < began_ms + 30000);
    pthread_join(thread, NULL);
    buffer_fini(&body);
    https_client_free(&client);
}

static void addresses_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *url, *fault; /* NULL: none */
        bool exposed;
    } rows[] = {
        {"https://login.example.com/certs", NULL, false},
        {"HTTPS://login.example.com:8443/certs?x=y", NULL, false},
        {"http://login.example.com/certs", NULL, true},
        {"http://localhost:8080/certs", NULL, false},
        {"http://127.9.9.9/certs", NULL, false},
        {"http://[::1]/certs", NULL, false},
        {"http://127.0.0.1.example.com/certs", NULL, true},
        {"http://localhost.example.com/", NULL, true},
        {"http://128.0.0.1/", NULL, true},
        {"", "RFC 3986", true},
        {"login.example.com/certs", "RFC 3986", true},
        {"https://", "RFC 3986", true},
        {"https://a b/", "RFC 3986", true},
        {"https://host:99999/", "RFC 3986", true},
        {"ftp://host/x", "scheme", false},
        {"file:///etc/passwd", "scheme", false},
        {"https://user@host/", "user or a password", false},
        {"https://:word@host/", "user or a password", false},
        {"https://host/#part", "fragment", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *fault = https_client_fault(rows[i].url);
        if (rows[i].fault ? !fault || !strstr(fault, rows[i].fault) : fault != NULL)
            fail_msg("%s: %s", rows[i].url, fault ? fault : "no fault");
        if (!rows[i].fault)
            assert_int_equal(https_client_is_exposed(rows[i].url), rows[i].exposed);
    }
}

int main(void)
{
#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(an_answer_comes_whole_and_as_often_as_it_is_asked_for),
        cmocka_unit_test(it_says_for_how_long_it_is_fresh),
        cmocka_unit_test(what_is_no_http_is_refused),
        CLIENT_TEST(what_is_larger_than_the_buffer_is_refused),
        CLIENT_TEST(no_status_but_200_is_taken_and_no_redirect_followed),
        CLIENT_TEST(nobody_there_and_no_answer_are_told_apart),
        CLIENT_TEST(a_get_under_way_can_be_stopped_and_none_begins_after_that),
        cmocka_unit_test(addresses_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
