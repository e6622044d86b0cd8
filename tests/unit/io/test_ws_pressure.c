/* Who reads slowly, or is not read (ws_server.h): back-pressure, pauses, and that waiting costs nothing. */
#include <roomcast/io/ws_server.h>

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <cmocka.h>

#include "heap.h"
#include "raw_client.h"
#include "ws_harness_test.h"

#define SMALL 4096 /* bytes of a slow reader's receive buffer */

static void upgrade_slow_reader(struct raw_client *client)
{
    char answer[1024];
    raw_open_small(client, harness_port(harness), SMALL);
    raw_send_text(client, "GET /ws HTTP/1.1\r\n" RAW_UPGRADE "\r\n");
    assert_int_equal(raw_read_answer(client, answer, sizeof answer), 101);
}

/* Milliseconds of processor time that this process spends within 300 ms, when nothing is to be done. */
static uint64_t busy_ms(void)
{
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    assert_int_equal(poll(NULL, 0, 300), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    return (uint64_t)((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000);
}

static void a_slow_reader_blocks_and_is_told_when_it_may_be_written_to(void **state)
{
    (void)state;
    struct raw_client client;
    struct raw_frame frame;
    upgrade_slow_reader(&client);
    raw_send_message(&client, "fill");
    harness_wait(harness, NOTED_BLOCKED);
    assert_int_equal(harness_count(harness, NOTED_WRITABLE), 0);
    unsigned frames = 0;
    for (;; frames++) { /* every byte of every frame arrives, in order */
        raw_read_frame(&client, &frame);
        assert_int_equal(frame.first, 0x81);
        if (frame.len != 8192)
            break;
    }
    assert_true(frames > 1);
    assert_string_equal((const char *)frame.payload, "writable");
    assert_int_equal(harness_count(harness, NOTED_WRITABLE), 1);
    raw_send_message(&client, "echo:still here");
    raw_expect_message(&client, "still here");
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

/* What the kernel did not take, and libwebsockets kept, of each. */
static void connections_that_were_blocked_give_their_buffers_back(void **state)
{
    (void)state;
    enum {
        READERS = 12,
        KEPT_MAX = 64 /* bytes of each: what the allocator holds on to between two sizes */
    };
    struct raw_client clients[READERS];
    struct raw_frame frame;
    for (int i = 0; i < READERS; i++) {
        upgrade_slow_reader(&clients[i]);
        raw_send_message(&clients[i], "echo:before");
        raw_expect_message(&clients[i], "before");
    }
    size_t before = heap_in_use();
    for (int i = 0; i < READERS; i++) {
        raw_send_message(&clients[i], "fill");
        harness_wait(harness, NOTED_BLOCKED);
    }
    size_t blocked = heap_in_use();
    for (int i = 0; i < READERS; i++) {
        do
            raw_read_frame(&clients[i], &frame);
        while (frame.len == 8192);
        assert_string_equal((const char *)frame.payload, "writable");
        raw_send_message(&clients[i], "echo:after");
        raw_expect_message(&clients[i], "after");
    }
    size_t after = heap_in_use();
    assert_true(blocked > before + READERS * KEPT_MAX);
    assert_true(after <= before + READERS * KEPT_MAX);
    for (int i = 0; i < READERS; i++) {
        raw_close(&clients[i]);
        harness_expect_closed(harness, WS_END_LOST, 1006);
    }
}

static void a_write_larger_than_one_packet_arrives_whole(void **state)
{
    (void)state;
    struct raw_client client;
    struct raw_frame frame;
    raw_upgrade(&client, harness_port(harness));
    raw_send_message(&client, "big");
    raw_read_frame(&client, &frame);
    assert_int_equal(frame.len, HARNESS_BIG);
    for (size_t at = 0; at < frame.len; at++)
        assert_int_equal(frame.payload[at], 'x');
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void what_was_taken_over_is_sent_before_the_close_frame(void **state)
{
    (void)state;
    struct raw_client client;
    struct raw_frame frame;
    upgrade_slow_reader(&client);
    raw_send_message(&client, "fill-close");
    harness_wait(harness, NOTED_BLOCKED);
    do
        raw_read_frame(&client, &frame);
    while (frame.first == 0x81 && frame.len == 8192);
    assert_int_equal(frame.first, 0x88);
    assert_memory_equal(frame.payload,
                        "\x10\x0C"
                        "slow",
                        6);
    raw_send_frame(&client, 0x88, "\x10\x0C", 2);
    raw_expect_end(&client, false);
    harness_expect_closed(harness, WS_END_SERVER, 4108);
    assert_int_equal(harness_count(harness, NOTED_WRITABLE), 0);
    raw_close(&client);
}

static void a_blocked_peer_that_is_closed_and_reads_nothing_is_cut_in_time(void **state)
{
    (void)state;
    struct raw_client client;
    struct harness *hasty = harness_start(0, 60, 1);
    char answer[1024];
    raw_open_small(&client, harness_port(hasty), SMALL);
    raw_send_text(&client, "GET /ws HTTP/1.1\r\n" RAW_UPGRADE "\r\n");
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 101);
    raw_send_message(&client, "fill-close");
    harness_expect_closed(hasty, WS_END_SERVER, 4108);
    raw_close(&client);
    harness_stop(hasty);
}

static void a_blocked_peer_that_goes_on_talking_does_not_spin_the_loop(void **state)
{
    (void)state;
    struct raw_client client;
    struct raw_frame frame;
    upgrade_slow_reader(&client);
    raw_send_message(&client, "fill");
    harness_wait(harness, NOTED_BLOCKED);
    raw_send_message(&client, "echo:at last");
    assert_true(busy_ms() < 150);
    do
        raw_read_frame(&client, &frame);
    while (frame.len == 8192);
    assert_string_equal((const char *)frame.payload,
                        "at last"); /* what had come is read before more is written */
    raw_expect_message(&client, "writable");
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void a_pause_holds_back_what_was_read_already(void **state)
{
    (void)state;
    struct raw_client client;
    unsigned char bytes[256];
    struct raw_frame frame;
    raw_upgrade(&client, harness_port(harness));
    size_t len = raw_make_frame(bytes, 0x81, "pause", 5);
    len += raw_make_frame(bytes + len, 0x81, "echo:one", 8);
    len += raw_make_frame(bytes + len, 0x81, "pause", 5);
    len += raw_make_frame(bytes + len, 0x81, "echo:two", 8);
    raw_send(&client, bytes, len);
    raw_send_message(&client, "echo:three");
    assert_string_equal(harness_wait(harness, NOTED_MESSAGE).text, "pause");
    assert_int_equal(harness_count(harness, NOTED_MESSAGE), 0);
    harness_resume(harness);
    raw_expect_message(&client, "one");
    assert_string_equal(harness_wait(harness, NOTED_MESSAGE).text, "echo:one");
    assert_string_equal(harness_wait(harness, NOTED_MESSAGE).text, "pause");
    assert_int_equal(harness_count(harness, NOTED_MESSAGE), 0);
    harness_resume(harness);
    raw_expect_message(&client, "two");
    raw_expect_message(&client, "three");
    raw_send_frame(&client, 0x89, "", 0);
    raw_read_frame(&client, &frame);
    assert_int_equal(frame.first, 0x8A);
    raw_close(&client);
    harness_expect_closed(harness, WS_END_LOST, 1006);
}

static void without_descriptors_it_neither_spins_nor_loses_who_waits(void **state)
{
    (void)state;
    struct rlimit limit, none;
    struct raw_client client;
    char answer[1024];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    raw_socket(&client, 0);
    none = limit;
    none.rlim_cur = (rlim_t)client.fd + 1; /* the lowest free number was taken by this socket */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    raw_connect(&client, harness_port(harness));
    raw_send_text(&client, "GET / HTTP/1.1\r\n\r\n");
    uint64_t spent_ms = busy_ms();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(spent_ms < 150);
    assert_int_equal(raw_read_answer(&client, answer, sizeof answer), 426);
    raw_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WS_TEST(a_slow_reader_blocks_and_is_told_when_it_may_be_written_to),
        WS_TEST(connections_that_were_blocked_give_their_buffers_back),
        WS_TEST(a_write_larger_than_one_packet_arrives_whole),
        WS_TEST(what_was_taken_over_is_sent_before_the_close_frame),
        WS_TEST(a_blocked_peer_that_is_closed_and_reads_nothing_is_cut_in_time),
        WS_TEST(a_blocked_peer_that_goes_on_talking_does_not_spin_the_loop),
        WS_TEST(a_pause_holds_back_what_was_read_already),
        WS_TEST(without_descriptors_it_neither_spins_nor_loses_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
