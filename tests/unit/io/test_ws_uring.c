/* Sends in batches (src/io/ws_uring.h), on sockets of every kind. Skipped where the kernel lets nobody use
 * io_uring. */
#include "ws_uring.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SENDS 16

static struct ws_uring *uring;
static int ends[SENDS][2];
static char mebibyte[1 << 20];

static int set_up(void **state)
{
    (void)state;
    char problem[256];
    uring = NULL;
    if (ws_uring_new(SENDS, &uring, problem) != ERR_OK)
        print_message("io_uring: %s\n", problem);
    for (int i = 0; i < SENDS; i++)
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends[i]), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ws_uring_free(&uring);
    assert_null(uring);
    for (int i = 0; i < SENDS; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
    return 0;
}

static void prepare(struct ws_uring_send *sends, const char *text)
{
    for (int i = 0; i < SENDS; i++)
        sends[i] = (struct ws_uring_send){.fd = ends[i][0], .bytes = text, .len = strlen(text), .result = 7};
}

static void assert_received(int i, const char *text)
{
    char bytes[256];
    assert_int_equal(read(ends[i][1], bytes, sizeof bytes), strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
}

static void every_socket_gets_its_bytes_in_batch_after_batch(void **state)
{
    (void)state;
    if (!uring)
        skip();
    for (int round = 0; round < 100; round++) {
        struct ws_uring_send sends[SENDS];
        char text[32];
        snprintf(text, sizeof text, "round %d", round);
        prepare(sends, text);
        assert_true(ws_uring_send(uring, sends, SENDS));
        for (int i = 0; i < SENDS; i++) {
            assert_int_equal(sends[i].result, strlen(text));
            assert_received(i, text);
        }
    }
}

static void a_full_socket_and_a_broken_one_are_told_and_harm_nobody(void **state)
{
    (void)state;
    if (!uring)
        skip();
    struct ws_uring_send sends[SENDS];
    while (send(ends[3][0], mebibyte, sizeof mebibyte, MSG_DONTWAIT) > 0)
        continue;
    close(ends[5][1]);
    ends[5][1] = dup(ends[5][0]);
    prepare(sends, "text");
    sends[7].bytes = mebibyte;
    sends[7].len = sizeof mebibyte;
    assert_true(ws_uring_send(uring, sends, SENDS));
    for (int i = 0; i < SENDS; i++) {
        if (i == 3) {
            assert_int_equal(sends[i].result, -EAGAIN);
        } else if (i == 5) {
            assert_int_equal(sends[i].result, -EPIPE); /* and no SIGPIPE */
        } else if (i == 7) {
            assert_in_range(sends[i].result, 1, sizeof mebibyte - 1); /* what fitted */
        } else {
            assert_int_equal(sends[i].result, 4);
            assert_received(i, "text");
        }
    }
}

static void *send_once(void *arg)
{
    assert_true(ws_uring_send(uring, arg, SENDS));
    return NULL;
}

static void it_belongs_to_the_thread_that_sends_and_not_to_its_maker(void **state)
{
    (void)state;
    if (!uring)
        skip();
    struct ws_uring_send sends[SENDS];
    pthread_t thread;
    prepare(sends, "text");
    assert_int_equal(pthread_create(&thread, NULL, send_once, sends), 0);
    pthread_join(thread, NULL);
    for (int i = 0; i < SENDS; i++)
        assert_received(i, "text");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_socket_gets_its_bytes_in_batch_after_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_socket_and_a_broken_one_are_told_and_harm_nobody, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_belongs_to_the_thread_that_sends_and_not_to_its_maker, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
