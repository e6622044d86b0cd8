#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <failing_alloc.h>

#include "../../../src/io/ws_frame.c"

/* A ping that comes in two pieces, its mask zero: needs both of the decoder's own blocks. */
static enum ws_event_kind read_ping(size_t fail)
{
    unsigned char bytes[] = {0x89, 0x82, 0, 0, 0, 0, 'h', 'i'}, *at = bytes;
    struct ws_decoder decoder;
    struct ws_event event;
    size_t len = 7;

    ws_decoder_init(&decoder, 100, false);
    alloc_fail(fail);
    ws_decoder_next(&decoder, &at, &len, &event);
    if (event.kind == WS_EVENT_NONE) {
        len = 1;
        ws_decoder_next(&decoder, &at, &len, &event);
    }
    ws_decoder_fini(&decoder);
    return event.kind;
}

static void no_memory_is_told_and_nothing_leaks(void **state)
{
    size_t fail = 0;

    (void)state;
    do {
        enum ws_event_kind kind = read_ping(++fail);
        assert_int_equal(kind, alloc_failed ? WS_EVENT_NO_MEMORY : WS_EVENT_PING);
        assert_int_equal(alloc_live, 0);
    } while (alloc_failed);
    assert_int_equal(fail, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_memory_is_told_and_nothing_leaks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
