/* Requests whose decision comes later (ws_connection_decide), over TCP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "raw_client.h"
#include "ws_harness_test.h"

#define LATER "GET /later?token=a%20b HTTP/1.1\r\n" RAW_UPGRADE "\r\n"

static int set_up_impatient(void **state)
{
    (void)state;
    harness = harness_start(0, 1, 60);
    return 0;
}

/* A client whose request waits for a decision. */
static void ask(struct raw_client *client)
{
    raw_open(client, harness_port(harness));
    raw_send_text(client, LATER);
    harness_wait(harness, NOTED_PENDING);
}

static void end(struct raw_client *client)
{
    raw_close(client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void a_later_yes_opens_the_connection(void **state)
{
    (void)state;
    struct raw_client client;
    char answer[4096];
    ask(&client);
    assert_int_equal(harness_count(harness, NOTED_OPEN), 0);
    harness_decide(harness, true);
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 101);
    assert_non_null(strstr(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    raw_send_message(&client, "echo:hello");
    raw_expect_message(&client, "hello");
    end(&client);
}

static void a_later_no_is_a_complete_http_answer(void **state)
{
    (void)state;
    struct raw_client client;
    char answer[4096];
    ask(&client);
    harness_decide(harness, false);
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 401);
    assert_non_null(strstr(answer, "UNAUTHORIZED"));
    raw_expect_end(&client, false);
    raw_close(&client);
    assert_int_equal(harness_count(harness, NOTED_OPEN), 0);
}

static void what_is_said_meanwhile_is_read_after_the_yes(void **state)
{
    (void)state;
    struct raw_client client;
    char answer[4096];
    unsigned char frames[256];
    raw_open(&client, harness_port(harness));
    /* One message right behind the request, in the same segment; two more while the decision is pending. */
    memcpy(frames, LATER, sizeof LATER - 1);
    size_t len = sizeof LATER - 1;
    len += raw_make_frame(frames + len, 0x81, "echo:1", 6);
    raw_send(&client, frames, len);
    harness_wait(harness, NOTED_PENDING);
    raw_send_message(&client, "echo:2");
    raw_send_message(&client, "echo:3");
    harness_decide(harness, true);
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 101);
    raw_expect_message(&client, "1");
    raw_expect_message(&client, "2");
    raw_expect_message(&client, "3");
    end(&client);
}

static void who_hangs_up_meanwhile_is_withdrawn(void **state)
{
    (void)state;
    struct raw_client client;
    ask(&client);
    raw_close(&client);
    harness_wait(harness, NOTED_WITHDRAWN);
    harness_decide(harness, true); /* comes too late, for nobody */
    assert_int_equal(harness_count(harness, NOTED_OPEN), 0);
    assert_int_equal(harness_count(harness, NOTED_BAD_REQUEST), 0);
}

static void who_resets_meanwhile_is_withdrawn(void **state)
{
    (void)state;
    struct raw_client client;
    ask(&client);
    raw_reset(&client);
    harness_wait(harness, NOTED_WITHDRAWN);
}

static void a_decision_that_takes_too_long_is_answered_503(void **state)
{
    (void)state;
    struct raw_client client;
    char answer[4096];
    ask(&client);
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 503);
    assert_non_null(strstr(answer, "OVERLOADED"));
    harness_wait(harness, NOTED_WITHDRAWN);
    assert_int_equal(harness_wait(harness, NOTED_BAD_REQUEST).code, 503); /* it is not the client's fault */
    raw_expect_end(&client, false);
    raw_close(&client);
}

static void a_server_that_stops_withdraws_what_is_pending(void **state)
{
    (void)state;
    struct raw_client client;
    ask(&client);
    harness_stop(harness); /* asserts that no session is left over */
    raw_expect_end(&client, true);
    raw_close(&client);
    harness = harness_start_default();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WS_TEST(a_later_yes_opens_the_connection),
        WS_TEST(a_later_no_is_a_complete_http_answer),
        WS_TEST(what_is_said_meanwhile_is_read_after_the_yes),
        WS_TEST(who_hangs_up_meanwhile_is_withdrawn),
        WS_TEST(who_resets_meanwhile_is_withdrawn),
        cmocka_unit_test_setup_teardown(a_decision_that_takes_too_long_is_answered_503, set_up_impatient,
                                        tear_down),
        WS_TEST(a_server_that_stops_withdraws_what_is_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
