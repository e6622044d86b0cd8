/* Requests that are answered with a stream, over TCP: the head, what goes out, what comes in, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "raw_client.h"
#include "ws_connection.h"
#include "ws_harness_test.h"
#include "ws_head.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void begin(struct raw_client *client, const char *request)
{
    raw_open(client, harness_port(harness));
    raw_send_text(client, request);
    harness_wait(harness, NOTED_OPEN);
}

static void expect_body(struct raw_client *client, const char *body)
{
    raw_read_to_end(client);
    assert_int_equal(client->len, strlen(body));
    assert_memory_equal(client->bytes, body, client->len);
}

static void the_answer_is_200_with_what_the_caller_says_and_ends_with_the_connection(void **state)
{
    (void)state;
    struct raw_client client;
    char answer[4096];
    begin(&client, GET("/stream/close:4200:bye"));
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 200);
    assert_non_null(strstr(answer, "\r\nContent-Type: text/plain\r\n"));
    assert_non_null(strstr(answer, "\r\nCache-Control: no-store\r\n"));
    assert_non_null(strstr(answer, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(answer, "\r\nX-More: yes\r\n"));
    assert_null(strstr(answer, "Content-Length"));
    assert_null(strstr(answer, "Transfer-Encoding"));
    expect_body(&client, HARNESS_STREAM);
    harness_expect_closed(harness, WS_END_SERVER, 4200);
    raw_close(&client);
}

static void what_is_sent_goes_out_as_it_is(void **state)
{
    (void)state;
    struct raw_client client;
    char answer[4096];
    begin(&client, GET("/stream/twice:hello"));
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 200);
    raw_expect_bytes(&client, HARNESS_STREAM);
    for (int at = 0; at < 2; at++)
        raw_expect_message(&client, "hello");
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

/* Behind the head, in the same packet and later: never a message, never an answer. */
static void what_the_peer_says_is_thrown_away(void **state)
{
    (void)state;
    struct raw_client client;
    begin(&client, GET("/stream") GET("/refuse") "\x81\x80"
                                                 "abcd");
    raw_send_message(&client, "echo:hello");
    raw_send_frame(&client, 0x88, "\x03\xE8", 2); /* a close frame, on a WebSocket */
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
    assert_int_equal(harness_count(harness, NOTED_MESSAGE), 0);
    assert_int_equal(harness_count(harness, NOTED_REQUEST), 1);
}

static void who_says_too_much_is_hung_up_on(void **state)
{
    (void)state;
    struct raw_client client;
    char *text = calloc(1, WS_LINGER_BYTES + 1);
    assert_non_null(text);
    begin(&client, GET("/stream"));
    raw_send_while_taken(&client, text, WS_LINGER_BYTES + 1);
    harness_expect_closed(harness, WS_END_FAULT, 1002);
    raw_close(&client);
    free(text);
}

/* RFC 5482: he takes nothing in, and does not say that he is there. */
static void who_does_not_acknowledge_is_given_up(void **state)
{
    (void)state;
    struct raw_client client;
    raw_open_small(&client, harness_port(harness), 4096);
    raw_send_text(&client, GET("/stream/fill"));
    harness_wait(harness, NOTED_BLOCKED);
    harness_expect_closed(harness, WS_END_LOST, 1006);
    raw_close(&client);
}

/* What is queued in the kernel and in the library still leaves, though nobody answers the end. */
static void what_was_sent_leaves_before_the_end(void **state)
{
    (void)state;
    struct raw_client client;
    raw_open_small(&client, harness_port(harness), 4096);
    raw_send_text(&client, GET("/stream/fill-close"));
    harness_wait(harness, NOTED_BLOCKED);
    harness_expect_closed(harness, WS_END_SERVER, 4108);
    char answer[4096];
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 200);
    raw_read_to_end(&client);
    assert_true(client.len > 100000);
    assert_int_equal((client.len - strlen(HARNESS_STREAM)) % (8192 + 4), 0); /* whole writes */
    raw_close(&client);
}

static void a_server_that_ends_cuts_its_streams(void **state)
{
    (void)state;
    struct raw_client client;
    struct harness *own = harness_start_default();
    raw_open(&client, harness_port(own));
    raw_send_text(&client, GET("/stream"));
    harness_wait(own, NOTED_OPEN);
    harness_stop(own); /* asserts that the session was ended */
    raw_close(&client);
}

/* --- the head --- */

static void parse(char *text, struct ws_head *head)
{
    static struct buffer joined;
    struct ws_head_problem problem;
    buffer_init(&joined, 4096);
    assert_true(ws_head_parse(text, strlen(text), &joined, head, &problem));
    buffer_fini(&joined);
}

static void check_query(const char *query, const char *before, const char *behind, const char *token)
{
    struct ws_head head;
    char text[512];
    snprintf(text, sizeof text, "GET /events%s HTTP/1.1\r\n\r\n", query);
    parse(text, &head);
    assert_true(slice_equal(head.request.query[0], slice_of(before)));
    assert_true(slice_equal(head.request.query[1], slice_of(behind)));
    assert_true(slice_equal(head.request.query_token, slice_of(token)));
}

/* A decoded token can hold '&': it must not become members of the query. */
static void the_query_is_kept_around_the_token_as_it_came(void **state)
{
    (void)state;
    check_query("", "", "", "");
    check_query("?", "", "", "");
    check_query("?chats=a%2cb", "chats=a%2cb", "", "");
    check_query("?token=x", "", "", "x");
    check_query("?a=1&token=x%26chats%3Dy&b=2&token=z", "a=1&", "b=2&token=z", "x&chats=y");
    check_query("?a=1&&token=&b", "a=1&&", "b", "");
    check_query("?atoken=1", "atoken=1", "", "");
}

static void last_event_id_is_read_and_may_come_once(void **state)
{
    (void)state;
    struct ws_head head;
    char once[] = "GET / HTTP/1.1\r\nlast-event-id:  v1~.a.1 \r\n\r\n";
    char twice[] = "GET / HTTP/1.1\r\nLast-Event-ID: a\r\nLast-Event-ID: b\r\n\r\n";
    parse(once, &head);
    assert_true(slice_equal(head.request.last_event_id, SLICE_LITERAL("v1~.a.1")));
    assert_null(head.request.fault);
    parse(twice, &head);
    assert_non_null(head.request.fault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WS_TEST(the_answer_is_200_with_what_the_caller_says_and_ends_with_the_connection),
        WS_TEST(what_is_sent_goes_out_as_it_is),
        WS_TEST(what_the_peer_says_is_thrown_away),
        WS_TEST(who_says_too_much_is_hung_up_on),
        WS_TEST(who_does_not_acknowledge_is_given_up),
        WS_TEST(what_was_sent_leaves_before_the_end),
        cmocka_unit_test(a_server_that_ends_cuts_its_streams),
        cmocka_unit_test(the_query_is_kept_around_the_token_as_it_came),
        cmocka_unit_test(last_event_id_is_read_and_may_come_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
