/* The life of connections and of the server (ws_server.h): closing, timeouts, shared ports. */
#include <roomcast/io/ws_server.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "raw_client.h"
#include "ws_harness_test.h"

static void the_server_closes_with_code_and_reason(void **state)
{
    (void)state;
    struct raw_client client;
    struct raw_frame frame;
    raw_upgrade(&client, harness_port(harness));
    raw_send_message(&client, "close:4200:draining");
    raw_read_frame(&client, &frame);
    assert_int_equal(frame.first, 0x88);
    assert_memory_equal(frame.payload,
                        "\x10\x68"
                        "draining",
                        10);
    raw_send_message(&client, "echo:ignored");
    assert_int_equal(harness_count(harness, NOTED_CLOSED), 0); /* it waits for the peer's close frame */
    raw_send_frame(&client, 0x88, "\x10\x68", 2);
    raw_expect_end(&client, false);
    harness_expect_closed(harness, WS_END_SERVER, 4200);
    assert_int_equal(harness_count(harness, NOTED_MESSAGE), 1);
    raw_close(&client);
}

static void a_peer_that_does_not_answer_the_close_is_cut_in_time(void **state)
{
    (void)state;
    struct raw_client client;
    struct harness *hasty = harness_start(0, 60, 1);
    raw_upgrade(&client, harness_port(hasty));
    raw_send_message(&client, "close:4001:bye");
    raw_expect_close(&client, 4001);
    raw_expect_end(&client, false);
    harness_expect_closed(hasty, WS_END_SERVER, 4001);
    raw_close(&client);
    harness_stop(hasty);
}

static void a_dropped_connection_ends_without_ceremony(void **state)
{
    (void)state;
    struct raw_client client;
    raw_upgrade(&client, harness_port(harness));
    raw_send_message(&client, "drop");
    raw_expect_end(&client, true);
    harness_expect_closed(harness, WS_END_SERVER, 1006);
    raw_close(&client);
}

static void a_reset_is_told_as_lost(void **state)
{
    (void)state;
    struct raw_client client;
    raw_upgrade(&client, harness_port(harness));
    harness_wait(harness, NOTED_OPEN);
    raw_reset(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
    assert_int_equal(harness_count(harness, NOTED_CLOSED), 0);
}

static void an_end_of_stream_without_close_frame_is_told_as_lost(void **state)
{
    (void)state;
    struct raw_client client;
    raw_upgrade(&client, harness_port(harness));
    raw_send(&client, "\x81\x85....", 6); /* in the middle of a frame */
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void many_reads_and_ends_leave_room_for_other_things(void **state)
{
    (void)state;
    struct raw_client clients[32];
    for (int at = 0; at < 32; at++)
        raw_upgrade(&clients[at], harness_port(harness));
    harness_wait(harness, NOTED_BUSY);
    assert_int_equal(harness_count(harness, NOTED_BUSY), 0);
    for (int at = 0; at < 32; at++)
        raw_reset(&clients[at]);
    harness_wait(harness, NOTED_BUSY);
    for (int at = 0; at < 32; at++)
        harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void a_half_sent_request_is_answered_408_in_time(void **state)
{
    (void)state;
    struct raw_client client, silent;
    struct harness *hasty = harness_start(0, 1, 60);
    char answer[1024];
    raw_open(&silent, harness_port(hasty));
    raw_open(&client, harness_port(hasty));
    raw_send_text(&client, "GET /ws HTTP/1.1\r\nHost: h\r\n");
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 408);
    raw_expect_end(&client, false);
    raw_expect_end(&silent, false);
    /* Both came late: the one that never spoke, and is not answered, too. */
    assert_int_equal(harness_wait(hasty, NOTED_BAD_REQUEST).code, 408);
    assert_int_equal(harness_wait(hasty, NOTED_BAD_REQUEST).code, 408);
    assert_int_equal(harness_count(hasty, NOTED_BAD_REQUEST), 0);
    raw_close(&client);
    raw_close(&silent);
    harness_stop(hasty);
}

/* SO_REUSEPORT spreads connections by a hash of their addresses: after some dozens both have had some. */
static void two_servers_on_two_threads_share_a_port(void **state)
{
    (void)state;
    struct harness *second = harness_start(harness_port(harness), 60, 60);
    struct raw_client clients[48];
    assert_int_equal(harness_port(second), harness_port(harness));
    for (int at = 0; at < 48; at++) {
        raw_upgrade(&clients[at], harness_port(harness));
        raw_send_message(&clients[at], "echo:x");
    }
    for (int at = 0; at < 48; at++)
        raw_expect_message(&clients[at], "x");
    unsigned first_had = harness_count(harness, NOTED_OPEN), second_had = harness_count(second, NOTED_OPEN);
    assert_int_equal(first_had + second_had, 48);
    assert_true(first_had > 0 && second_had > 0);
    for (int at = 0; at < 48; at++)
        raw_close(&clients[at]);
    harness_stop(second);
}

static unsigned count_descriptors(void)
{
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static void freeing_the_server_tells_every_session_and_leaks_no_descriptor(void **state)
{
    (void)state;
    unsigned before = count_descriptors();
    for (int round = 0; round < 3; round++) {
        struct harness *short_lived = harness_start_default();
        struct raw_client open, half, closing, refused;
        char answer[1024];
        raw_upgrade(&open, harness_port(short_lived));
        raw_upgrade(&closing, harness_port(short_lived));
        raw_send_message(&closing, "close:4200:drain");
        raw_expect_close(&closing, 4200);
        raw_open(&half, harness_port(short_lived));
        raw_send_text(&half, "GET /ws");
        raw_open(&refused, harness_port(short_lived));
        raw_send_text(&refused, "GET / HTTP/1.1\r\n\r\n");
        assert_int_equal(raw_read_answer(&refused, answer, sizeof answer), 426);
        harness_stop(short_lived); /* asserts that each session has been told */
        raw_expect_end(&open, true);
        raw_expect_end(&closing, true);
        raw_expect_end(&half, true);
        raw_close(&open);
        raw_close(&closing);
        raw_close(&half);
        raw_close(&refused);
    }
    assert_int_equal(count_descriptors(), before);
}

static void try_to_listen(const char *host, uint16_t port, enum err expected, char *problem)
{
    struct loop *loop;
    struct ws_server *server = NULL;
    assert_int_equal(loop_new(&loop), ERR_OK);
    const struct ws_server_options options = {
        .loop = loop, .host = host, .port = port, .max_header_bytes = 1024, .max_sockets = 1};
    const struct ws_handlers handlers = {.context = NULL};
    assert_int_equal(ws_server_new(&options, &handlers, &server, problem), expected);
    if (server && strcmp(host, "::") == 0) {
        struct raw_client client; /* by IPv4 */
        raw_open(&client, ws_server_port(server));
        raw_close(&client);
    }
    ws_server_free(&server);
    loop_free(&loop);
}

static void addresses_are_names_or_numbers_and_failures_say_why(void **state)
{
    (void)state;
    char problem[256];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(taken, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(taken, 1), 0);
    assert_int_equal(getsockname(taken, (struct sockaddr *)&address, &len), 0);
    try_to_listen("127.0.0.1", ntohs(address.sin_port), ERR_IO, problem);
    assert_non_null(strstr(problem, "Address already in use"));
    close(taken);
    try_to_listen("192.0.2.1", 0, ERR_IO, problem);
    assert_non_null(strstr(problem, "192.0.2.1"));
    try_to_listen("no.such.host.invalid", 0, ERR_IO, problem);
    assert_non_null(strstr(problem, "no.such.host.invalid"));
    try_to_listen("localhost", 0, ERR_OK, problem);
    try_to_listen("::", 0, ERR_OK, problem);
}

/* A socket that is none of ours stands for another process: both let the other one in by SO_REUSEPORT. */
static void a_port_is_not_shared_with_another_process(void **state)
{
    (void)state;
    char problem[256];
    int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), 0);
    assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes), 0);
    assert_int_equal(bind(other, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(other, 1), 0);
    assert_int_equal(getsockname(other, (struct sockaddr *)&address, &len), 0);
    try_to_listen("127.0.0.1", ntohs(address.sin_port), ERR_IO, problem);
    assert_non_null(strstr(problem, "Address already in use"));
    try_to_listen("0.0.0.0", ntohs(address.sin_port), ERR_IO, problem);
    close(other);
    try_to_listen("127.0.0.1", ntohs(address.sin_port), ERR_OK, problem);
    try_to_listen("127.0.0.1", ntohs(address.sin_port), ERR_OK, problem); /* nothing is left in the way */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WS_TEST(the_server_closes_with_code_and_reason),
        WS_TEST(a_peer_that_does_not_answer_the_close_is_cut_in_time),
        WS_TEST(a_dropped_connection_ends_without_ceremony),
        WS_TEST(a_reset_is_told_as_lost),
        WS_TEST(an_end_of_stream_without_close_frame_is_told_as_lost),
        WS_TEST(many_reads_and_ends_leave_room_for_other_things),
        WS_TEST(a_half_sent_request_is_answered_408_in_time),
        WS_TEST(two_servers_on_two_threads_share_a_port),
        WS_TEST(freeing_the_server_tells_every_session_and_leaks_no_descriptor),
        cmocka_unit_test(a_port_is_not_shared_with_another_process),
        cmocka_unit_test(addresses_are_names_or_numbers_and_failures_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
