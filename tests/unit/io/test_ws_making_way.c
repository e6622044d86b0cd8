/* Connections that are not upgraded are few: the oldest makes way. And those of trusted proxies, which must
 * begin with a PROXY header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "raw_client.h"
#include "ws_harness.h"

#define WHOLE         "GET /ws HTTP/1.1\r\n" RAW_UPGRADE "\r\n"
#define BEGINNING_LEN 20 /* bytes of WHOLE */
#define LETTERS_40    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LATER         "GET /later HTTP/1.1\r\n" RAW_UPGRADE "\r\n"

static struct networks loopback;
static struct harness *harness;

static void start(const struct harness_guard *guard)
{
    harness = harness_start_guarded(guard);
}

static int stop(void **state)
{
    (void)state;
    harness_stop(harness);
    return 0;
}

static void send_rest(struct raw_client *client)
{
    raw_send(client, &WHOLE[BEGINNING_LEN], sizeof WHOLE - 1 - BEGINNING_LEN);
}

/* Each is accepted before the next one comes: the order in which they wait is known. */
static void open_and_begin(struct raw_client *client)
{
    raw_open(client, harness_port(harness));
    raw_send(client, WHOLE, BEGINNING_LEN);
}

static void expect_refused(enum ws_refused why)
{
    assert_int_equal(harness_wait(harness, NOTED_REFUSED).code, why);
}

static void upgrade_and_leave(void)
{
    struct raw_client client;
    raw_upgrade(&client, harness_port(harness));
    harness_wait(harness, NOTED_OPEN);
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void the_one_that_has_waited_longest_makes_way_and_is_told(void **state)
{
    (void)state;
    const struct harness_guard guard = {.max_pending = 2, .handshake_timeout_s = 60};
    struct raw_client first, second, third;
    char answer[1024];
    start(&guard);
    open_and_begin(&first);
    upgrade_and_leave(); /* what came before it was read */
    open_and_begin(&second);
    raw_open(&third, harness_port(harness));
    expect_refused(WS_REFUSED_PENDING);
    assert_int_equal(raw_read_answer(&first, answer, sizeof answer), 503);
    assert_non_null(strstr(answer, "OVERLOADED"));
    assert_non_null(strstr(answer, "Retry-After: "));
    raw_expect_end(&first, true);
    /* The others are as they were. */
    send_rest(&second);
    assert_int_equal(raw_read_answer(&second, answer, sizeof answer), 101);
    raw_send_text(&third, WHOLE);
    assert_int_equal(raw_read_answer(&third, answer, sizeof answer), 101);
    assert_int_equal(harness_count(harness, NOTED_REFUSED), 0);
    raw_close(&first);
    raw_close(&second);
    raw_close(&third);
    harness_expect_closed(harness, WS_END_LOST, 1006);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void who_was_refused_already_makes_way_first_and_is_not_counted_again(void **state)
{
    (void)state;
    const struct harness_guard guard = {.max_pending = 2, .handshake_timeout_s = 60};
    struct raw_client waiting, refused, newcomer;
    char answer[1024];
    start(&guard);
    open_and_begin(&waiting);
    raw_open(&refused, harness_port(harness));
    raw_send_text(&refused, "GET /refuse HTTP/1.1\r\n" RAW_UPGRADE "\r\n");
    assert_int_equal(raw_read_answer(&refused, answer, sizeof answer), 401);
    raw_upgrade(&newcomer, harness_port(harness));
    harness_wait(harness, NOTED_OPEN);
    send_rest(&waiting);
    assert_int_equal(raw_read_answer(&waiting, answer, sizeof answer), 101);
    assert_int_equal(harness_count(harness, NOTED_REFUSED), 0);
    raw_close(&waiting);
    raw_close(&refused);
    raw_close(&newcomer);
    harness_expect_closed(harness, WS_END_LOST, 1006);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void whose_request_is_being_decided_on_does_not_make_way(void **state)
{
    (void)state;
    const struct harness_guard guard = {.max_pending = 1, .handshake_timeout_s = 60};
    struct raw_client asking, newcomer;
    char answer[1024];
    start(&guard);
    raw_open(&asking, harness_port(harness));
    raw_send_text(&asking, LATER);
    harness_wait(harness, NOTED_PENDING);
    raw_open(&newcomer, harness_port(harness));
    raw_expect_end(&newcomer, true); /* nobody can make way for it */
    expect_refused(WS_REFUSED_PENDING);
    harness_decide(harness, true);
    assert_int_equal(raw_read_answer(&asking, answer, sizeof answer), 101);
    raw_close(&asking);
    raw_close(&newcomer);
    harness_expect_closed(harness, WS_END_LOST, 1006);
    upgrade_and_leave();
}

static void beyond_the_sockets_a_connection_is_closed_at_once(void **state)
{
    (void)state;
    const struct harness_guard guard = {.max_sockets = 1, .handshake_timeout_s = 60};
    struct raw_client resident, newcomer;
    start(&guard);
    raw_upgrade(&resident, harness_port(harness));
    raw_open(&newcomer, harness_port(harness));
    raw_expect_end(&newcomer, true);
    expect_refused(WS_REFUSED_SOCKETS);
    raw_send_message(&resident, "echo:here");
    raw_expect_message(&resident, "here");
    raw_close(&newcomer);
    raw_close(&resident);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

/* --- behind a proxy --- */

static const struct harness_guard proxied = {.proxies = &loopback, .handshake_timeout_s = 60};

static void expect_upgraded(struct raw_client *client, const char *peer)
{
    char answer[1024];
    assert_int_equal(raw_read_answer(client, answer, sizeof answer), 101);
    assert_string_equal(harness_wait(harness, NOTED_OPEN).text, peer);
}

static void the_client_that_the_proxy_names_is_the_peer(void **state)
{
    (void)state;
    static const struct {
        const char *header, *peer;
    } rows[] = {
        {"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n", "203.0.113.7"},
        {"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n", "2001:db8::7"},
        {"PROXY UNKNOWN\r\n", "127.0.0.1"},
    };
    start(&proxied);
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        struct raw_client client;
        raw_open(&client, harness_port(harness));
        raw_send_text(&client, rows[at].header);
        raw_send_text(&client, WHOLE);
        expect_upgraded(&client, rows[at].peer);
        raw_close(&client);
        harness_expect_closed(harness, WS_END_LOST, 1006);
    }
}

static void not_a_byte_behind_the_header_is_taken_however_it_comes(void **state)
{
    (void)state;
    static const char all[] = "PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n" WHOLE;
    struct raw_client client;
    start(&proxied);
    raw_open(&client, harness_port(harness));
    raw_send_text(&client, all);
    expect_upgraded(&client, "203.0.113.7");
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
    raw_open(&client, harness_port(harness));
    for (size_t at = 0; at < sizeof all - 1; at++)
        raw_send(&client, all + at, 1);
    expect_upgraded(&client, "203.0.113.7");
    raw_send_message(&client, "echo:hello");
    raw_expect_message(&client, "hello");
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void what_is_no_header_is_hung_up_on_and_told(void **state)
{
    (void)state;
    /* The last is longer than a version 1 header may be (107 bytes). */
    static const char *const texts[] = {WHOLE, "PROXY TCP4 nonsense\r\n",
                                        "PROXY UNKNOWN " LETTERS_40 LETTERS_40 LETTERS_40 "\r\n"};
    start(&proxied);
    for (size_t at = 0; at < sizeof texts / sizeof texts[0]; at++) {
        struct raw_client client;
        raw_open(&client, harness_port(harness));
        raw_send_text(&client, texts[at]);
        raw_expect_end(&client, true);
        expect_refused(WS_REFUSED_PROXY);
        raw_close(&client);
    }
    assert_int_equal(harness_count(harness, NOTED_REQUEST), 0);
}

static void a_header_that_does_not_come_in_time_is_hung_up_on(void **state)
{
    (void)state;
    const struct harness_guard guard = {.proxies = &loopback, .handshake_timeout_s = 1};
    struct raw_client silent, slow;
    start(&guard);
    raw_open(&silent, harness_port(harness));
    raw_open(&slow, harness_port(harness));
    raw_send_text(&slow, "PROXY TCP4 ");
    raw_expect_end(&silent, false);
    raw_expect_end(&slow, true);
    expect_refused(WS_REFUSED_PROXY);
    expect_refused(WS_REFUSED_PROXY);
    raw_close(&silent);
    raw_close(&slow);
}

static void a_proxy_that_merely_looks_is_no_fault(void **state)
{
    (void)state;
    struct raw_client client;
    start(&proxied);
    raw_open(&client, harness_port(harness));
    raw_close(&client);
    raw_open(&client, harness_port(harness));
    raw_send_text(&client, "PROXY TCP4");
    raw_close(&client);
    raw_open(&client, harness_port(harness));
    raw_send_text(&client, "PROXY UNKNOWN\r\n" WHOLE);
    expect_upgraded(&client, "127.0.0.1"); /* the other two were read before */
    assert_int_equal(harness_count(harness, NOTED_REFUSED), 0);
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

/* Their places are those of everybody: whoever holds one without a header makes way, too. */
static void who_waits_for_a_header_makes_way(void **state)
{
    (void)state;
    const struct harness_guard guard = {.proxies = &loopback, .max_pending = 1, .handshake_timeout_s = 60};
    struct raw_client silent, client;
    start(&guard);
    raw_open(&silent, harness_port(harness));
    raw_open(&client, harness_port(harness));
    raw_send_text(&client, "PROXY UNKNOWN\r\n" WHOLE);
    raw_expect_end(&silent, true);
    expect_refused(WS_REFUSED_PROXY);
    expect_upgraded(&client, "127.0.0.1");
    raw_close(&silent);
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
    /* No place has been lost on the way. */
    raw_open(&client, harness_port(harness));
    raw_send_text(&client, "PROXY UNKNOWN\r\n" WHOLE);
    expect_upgraded(&client, "127.0.0.1");
    assert_int_equal(harness_count(harness, NOTED_REFUSED), 0);
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void a_server_that_stops_hangs_up_on_those_who_wait_for_a_header(void **state)
{
    (void)state;
    struct raw_client silent, client;
    start(&proxied);
    raw_open(&silent, harness_port(harness));
    raw_open(&client, harness_port(harness)); /* when it is answered, the one before was accepted */
    raw_send_text(&client, "PROXY UNKNOWN\r\n" WHOLE);
    expect_upgraded(&client, "127.0.0.1");
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
    harness_stop(harness);
    raw_expect_end(&silent, true);
    raw_close(&silent);
    start(&proxied);
}

int main(void)
{
    static char network[] = "127.0.0.0/8";
    char *texts[] = {network};
    assert_int_equal(networks_new(texts, 1, &loopback), ERR_OK);
#define WAY_TEST(name) cmocka_unit_test_teardown(name, stop)
    const struct CMUnitTest tests[] = {
        WAY_TEST(the_one_that_has_waited_longest_makes_way_and_is_told),
        WAY_TEST(who_was_refused_already_makes_way_first_and_is_not_counted_again),
        WAY_TEST(whose_request_is_being_decided_on_does_not_make_way),
        WAY_TEST(beyond_the_sockets_a_connection_is_closed_at_once),
        WAY_TEST(the_client_that_the_proxy_names_is_the_peer),
        WAY_TEST(not_a_byte_behind_the_header_is_taken_however_it_comes),
        WAY_TEST(what_is_no_header_is_hung_up_on_and_told),
        WAY_TEST(a_header_that_does_not_come_in_time_is_hung_up_on),
        WAY_TEST(a_proxy_that_merely_looks_is_no_fault),
        WAY_TEST(who_waits_for_a_header_makes_way),
        WAY_TEST(a_server_that_stops_hangs_up_on_those_who_wait_for_a_header),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    networks_fini(&loopback);
    return failed;
}
