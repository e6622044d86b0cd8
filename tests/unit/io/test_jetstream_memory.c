/* Whatever allocation fails while an answer of JetStream is read: it is right, or nothing is known by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

#include "every_allocation.h"
#include "jetstream_api.h"

#define LONG                                                                                                 \
    "a text of a length for which the parser's first buffer is too short, so that it takes another one"

static enum err read_stored(void)
{
    struct jetstream_store_answer answer;
    jetstream_decode_store(
        SLICE_LITERAL("{\"more\":[\"" LONG "\",{\"a\":1.5}],\"stream\":\"events\",\"seq\":42}"), "events",
        &answer);
    if (answer.status == BUS_UNKNOWN)
        return ERR_NO_MEMORY;
    assert_int_equal(answer.status, BUS_STORED);
    assert_int_equal(answer.stream_seq, 42);
    return ERR_OK;
}

static enum err read_refused(void)
{
    struct jetstream_store_answer answer;
    jetstream_decode_store(
        SLICE_LITERAL("{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"" LONG "\"}}"), "events",
        &answer);
    if (answer.status == BUS_UNKNOWN)
        return ERR_NO_MEMORY;
    assert_int_equal(answer.status, BUS_FENCED);
    assert_memory_equal(answer.problem, LONG, strlen(LONG));
    return ERR_OK;
}

static enum err read_last(void)
{
    struct jetstream_last_answer answer;
    jetstream_decode_last(SLICE_LITERAL("{\"message\":{\"subject\":\"a.b\",\"seq\":7,\"hdrs\":\"" LONG
                                        "\",\"data\":\"AAEC/+8=\"}}"),
                          "a.b", &answer);
    if (answer.status == BUS_LAST_UNAVAILABLE) {
        assert_null(answer.data);
        return ERR_NO_MEMORY;
    }
    assert_int_equal(answer.status, BUS_LAST_FOUND);
    assert_int_equal(answer.data_len, 5);
    assert_memory_equal(answer.data, "\x00\x01\x02\xff\xef", 5);
    free(answer.data);
    return ERR_OK;
}

static enum err read_extent(void)
{
    struct bus_extent extent;
    bool is_no_stream;
    bool good = jetstream_decode_extent(
        SLICE_LITERAL(
            "{\"config\":{\"name\":\"" LONG "\"},\"created\":\"2026-11-25T14:00:00.123456789Z\","
            "\"state\":{\"first_seq\":3,\"last_seq\":9},\"cluster\":{\"replicas\":[{\"active\":1}]}}"),
        &extent, &is_no_stream);
    assert_false(is_no_stream);
    if (!good)
        return ERR_NO_MEMORY;
    assert_int_equal(extent.first_seq, 3);
    assert_int_equal(extent.last_seq, 9);
    assert_true(extent.has_quorum);
    return ERR_OK;
}

static enum err write_request(void)
{
    struct buffer body;
    buffer_init(&body, 4096);
    jetstream_encode_next("p.ev.chat." LONG, UINT64_MAX, &body);
    enum err err = buffer_failed(&body) ? ERR_NO_MEMORY : ERR_OK;
    if (err == ERR_OK)
        assert_string_equal(buffer_text(&body),
                            "{\"seq\":18446744073709551615,\"next_by_subj\":\"p.ev.chat." LONG "\"}");
    buffer_fini(&body);
    return err;
}

static void an_answer_is_read_right_or_not_at_all(void **state)
{
    (void)state;
    for (int lasting = 0; lasting < 2; lasting++) {
        every_allocation_fails(read_stored, lasting, true);
        every_allocation_fails(read_refused, lasting, true);
        every_allocation_fails(read_last, lasting, true);
        every_allocation_fails(read_extent, lasting, true);
        every_allocation_fails(write_request, lasting, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_right_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
