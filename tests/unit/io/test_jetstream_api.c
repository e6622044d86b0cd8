#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <mutate.h>
#include <stdio.h>
#include <stdlib.h>

#include "jetstream_api.h"

static struct jetstream_store_answer decode_store(const char *json)
{
    struct jetstream_store_answer answer;

    jetstream_decode_store(slice_of(json), "events", &answer);
    return answer;
}

static void a_stored_message_has_its_sequence(void **state)
{
    (void)state;
    struct jetstream_store_answer answer = decode_store("{\"stream\":\"events\",\"seq\":42}");
    assert_int_equal(answer.status, BUS_STORED);
    assert_int_equal(answer.stream_seq, 42);
    assert_string_equal(answer.problem, "");
    answer =
        decode_store("{\"stream\":\"events\", \"domain\":\"hub\", \"seq\":9223372036854775807,\"more\":[1]}");
    assert_int_equal(answer.status, BUS_STORED);
    assert_true(answer.stream_seq == INT64_MAX);
    answer =
        decode_store("{\"stream\":\"events\",\"seq\":42,\"duplicate\": true}"); /* as the server spaces it */
    assert_int_equal(answer.status, BUS_DUPLICATE);
    assert_int_equal(answer.stream_seq, 42);
    assert_int_equal(decode_store("{\"stream\":\"events\",\"seq\":42,\"duplicate\":false}").status,
                     BUS_STORED);
}

static void an_error_says_what_is_certain(void **state)
{
    static const struct {
        int code, err_code;
        enum bus_store_status status;
    } rows[] = {
        {400, 10071, BUS_FENCED},      {400, 10164, BUS_FENCED},      {400, 10054, BUS_REFUSED},
        {400, 10097, BUS_REFUSED},     {400, 10003, BUS_REFUSED},     {503, 10008, BUS_UNAVAILABLE},
        {404, 10059, BUS_UNAVAILABLE}, {400, 10060, BUS_UNAVAILABLE}, {503, 10039, BUS_UNAVAILABLE},
        {503, 10076, BUS_UNAVAILABLE}, {400, 10109, BUS_UNAVAILABLE}, {503, 10163, BUS_UNAVAILABLE},
        {429, 10167, BUS_UNAVAILABLE}, {503, 0, BUS_UNAVAILABLE},     {503, 10077, BUS_UNKNOWN},
        {503, 10023, BUS_UNKNOWN},     {503, 10063, BUS_UNKNOWN},     {400, 10002, BUS_UNKNOWN},
        {409, 10158, BUS_UNKNOWN},     {500, 0, BUS_UNKNOWN},         {400, 19999, BUS_UNKNOWN},
    };
    char json[256];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(
            json, sizeof json,
            "{\"error\":{\"code\":%d,\"err_code\":%d,\"description\":\"some words\"},\"stream\":\"events\","
            "\"seq\":0}",
            rows[i].code, rows[i].err_code);
        struct jetstream_store_answer answer = decode_store(json);
        assert_int_equal(answer.status, rows[i].status);
        assert_int_equal(answer.stream_seq, 0);
        assert_non_null(strstr(answer.problem, "some words"));
    }
}

static void what_is_no_answer_leaves_the_fate_open(void **state)
{
    static const char *const rows[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "42",
        "\"\"",
        "{\"stream\":\"events\"}",
        "{\"stream\":\"other\",\"seq\":1}",
        "{\"seq\":1}",
        "{\"stream\":[],\"seq\":1}",
        "{\"stream\":\"events\",\"seq\":0}",
        "{\"stream\":\"events\",\"seq\":-1}",
        "{\"stream\":\"events\",\"seq\":1.0}",
        "{\"stream\":\"events\",\"seq\":\"1\"}",
        "{\"stream\":\"events\",\"seq\":9223372036854775808}",
        "{\"stream\":\"events\",\"seq\":1}x",
        "{\"stream\":\"events\",\"seq\":1,\"seq\":2}",
        "{\"stream\":\"events\",\"seq\":1,\"error\":{}}",
        "{\"stream\":\"events\",\"seq\":1,\"error\":null}",
        "{\"stream\":\"events\",\"seq\":1,\"error\":{\"err_code\":\"10071\"}}",
        "{\"stream\":\"events\\u0000\",\"seq\":1}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct jetstream_store_answer answer = decode_store(rows[i]);
        if (answer.status != BUS_UNKNOWN || strlen(answer.problem) == 0)
            fail_msg("%s gives %d, \"%s\"", rows[i], answer.status, answer.problem);
    }
}

/* --- last --- */

#define MESSAGE(subject, seq, data)                                                                          \
    "{\"type\":\"io.nats.jetstream.api.v1.stream_msg_get_response\",\"message\":{\"subject\":\"" subject     \
    "\",\"seq\":" seq data ",\"hdrs\":\"TkFUUy8xLjANCg0K\",\"time\":\"2026-11-23T10:15:30Z\"}}"

static struct jetstream_last_answer decode_last(const char *json)
{
    struct jetstream_last_answer answer;

    jetstream_decode_last(slice_of(json), "p.ev.chat.1", &answer);
    assert_true((answer.data != NULL) == (answer.status == BUS_LAST_FOUND));
    return answer;
}

static void the_last_message_is_decoded(void **state)
{
    (void)state;
    struct jetstream_last_answer answer = decode_last(MESSAGE("p.ev.chat.1", "7", ",\"data\":\"AAEC/+8=\""));
    assert_int_equal(answer.status, BUS_LAST_FOUND);
    assert_int_equal(answer.stream_seq, 7);
    assert_int_equal(answer.data_len, 5);
    assert_memory_equal(answer.data, "\x00\x01\x02\xff\xef", 5);
    free(answer.data);
    answer = decode_last(MESSAGE("p.ev.chat.1", "8", ""));
    assert_int_equal(answer.status, BUS_LAST_FOUND);
    assert_int_equal(answer.data_len, 0);
    free(answer.data);
    answer = decode_last(MESSAGE("p.ev.chat.1", "8", ",\"data\":\"\""));
    assert_int_equal(answer.status, BUS_LAST_FOUND);
    assert_int_equal(answer.data_len, 0);
    free(answer.data);
}

static void none_only_when_the_server_says_so(void **state)
{
    (void)state;
    assert_int_equal(decode_last("{\"error\":{\"code\":404,\"err_code\":10037}}").status, BUS_LAST_NONE);
    static const char *const rows[] = {
        "",
        "{}",
        "[1]",
        "{\"error\":{\"code\":404,\"err_code\":10059}}",
        "{\"error\":{\"code\":404}}",
        "{\"error\":null}",
        "{\"error\":\"10037\"}",
        "{\"message\":null}",
        "{\"message\":\"\"}",
        MESSAGE("p.ev.chat.2", "7", ",\"data\":\"AAEC\""),
        MESSAGE("p.ev.chat.1", "0", ",\"data\":\"AAEC\""),
        MESSAGE("p.ev.chat.1", "7", ",\"data\":\"AAE\""),
        MESSAGE("p.ev.chat.1", "7", ",\"data\":\"AAE=x\""),
        MESSAGE("p.ev.chat.1", "7", ",\"data\":\"A A=\""),
        MESSAGE("p.ev.chat.1", "7", ",\"data\":\"AA\\u0000=\""),
        MESSAGE("p.ev.chat.1", "7", ",\"data\":7"),
        MESSAGE("p.ev.chat.1", "7", ",\"data\":null"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (decode_last(rows[i]).status != BUS_LAST_UNAVAILABLE)
            fail_msg("%s", rows[i]);
}

static void the_request_names_the_subject(void **state)
{
    struct buffer body;

    (void)state;
    buffer_init(&body, 256);
    jetstream_encode_last("p.ev.chat.1\"}", &body);
    assert_string_equal(buffer_text(&body), "{\"last_by_subj\":\"p.ev.chat.1\\\"}\"}");
    buffer_fini(&body);
    buffer_init(&body, 8);
    jetstream_encode_last("p.ev.chat.1", &body);
    assert_true(buffer_failed(&body));
    buffer_fini(&body);
}

/* --- one sequence --- */

static struct jetstream_last_answer decode_at(const char *json)
{
    struct jetstream_last_answer answer;

    jetstream_decode_at(slice_of(json), "p.ev.chat.1", 7, &answer);
    assert_true((answer.data != NULL) == (answer.status == BUS_LAST_FOUND));
    assert_true((answer.stream_seq == 7) == (answer.status == BUS_LAST_FOUND));
    return answer;
}

static void the_message_at_a_sequence_is_decoded(void **state)
{
    (void)state;
    struct jetstream_last_answer answer = decode_at(MESSAGE("p.ev.chat.1", "7", ",\"data\":\"AAEC/+8=\""));
    assert_int_equal(answer.status, BUS_LAST_FOUND);
    assert_int_equal(answer.data_len, 5);
    assert_memory_equal(answer.data, "\x00\x01\x02\xff\xef", 5);
    free(answer.data);
    assert_int_equal(decode_at("{\"error\":{\"code\":404,\"err_code\":10037}}").status, BUS_LAST_NONE);
    assert_int_equal(decode_at(MESSAGE("p.ev.chat.2", "7", ",\"data\":\"AAEC\"")).status, BUS_LAST_NONE);
    assert_int_equal(decode_at(MESSAGE("p.ev.chat.1x", "7", "")).status, BUS_LAST_NONE);
    static const char *const rows[] = {
        "",
        "{}",
        "{\"error\":{\"code\":404,\"err_code\":10059}}",
        "{\"error\":null}",
        "{\"message\":{\"seq\":7}}",
        MESSAGE("p.ev.chat.1", "8", ",\"data\":\"AAEC\""),
        MESSAGE("p.ev.chat.2", "8", ",\"data\":\"AAEC\""),
        MESSAGE("p.ev.chat.1", "0", ",\"data\":\"AAEC\""),
        MESSAGE("p.ev.chat.1", "-7", ",\"data\":\"AAEC\""),
        MESSAGE("p.ev.chat.1", "7", ",\"data\":\"AAE\""),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (decode_at(rows[i]).status != BUS_LAST_UNAVAILABLE)
            fail_msg("%s", rows[i]);
}

static void the_request_names_the_sequence(void **state)
{
    static const struct {
        uint64_t seq;
        const char *body;
    } rows[] = {{1, "{\"seq\":1}"}, {UINT64_MAX, "{\"seq\":18446744073709551615}"}};
    struct buffer body;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buffer_init(&body, 256);
        jetstream_encode_at(rows[i].seq, &body);
        assert_string_equal(buffer_text(&body), rows[i].body);
        buffer_fini(&body);
    }
}

static void the_headers_of_a_direct_answer_are_judged(void **state)
{
    static const struct {
        struct jetstream_direct_headers headers; /* status, stream, subject, sequence */
        enum bus_last_status status;
    } rows[] = {
        {{NULL, "events", "p.ev.chat.1", "7"}, BUS_LAST_FOUND},
        {{"404", "events", "p.ev.chat.1", "7"}, BUS_LAST_FOUND}, /* a header that was stored */
        {{"404", NULL, NULL, NULL}, BUS_LAST_NONE},
        {{NULL, "events", "p.ev.chat.2", "7"}, BUS_LAST_NONE},
        {{NULL, "events", "p.ev.chat.1.2", "7"}, BUS_LAST_NONE},
        {{NULL, NULL, NULL, NULL}, BUS_LAST_UNAVAILABLE},
        {{"408", NULL, NULL, NULL}, BUS_LAST_UNAVAILABLE},
        {{"503", NULL, NULL, NULL}, BUS_LAST_UNAVAILABLE},
        {{"4040", NULL, NULL, NULL}, BUS_LAST_UNAVAILABLE},
        {{"", NULL, NULL, NULL}, BUS_LAST_UNAVAILABLE},
        {{NULL, "other", "p.ev.chat.1", "7"}, BUS_LAST_UNAVAILABLE},
        {{NULL, "other", "p.ev.chat.2", "7"}, BUS_LAST_UNAVAILABLE},
        {{NULL, "events", "p.ev.chat.1", "8"}, BUS_LAST_UNAVAILABLE},
        {{NULL, "events", "p.ev.chat.1", "07"}, BUS_LAST_UNAVAILABLE},
        {{NULL, "events", "p.ev.chat.1", ""}, BUS_LAST_UNAVAILABLE},
        {{NULL, NULL, "p.ev.chat.1", "7"}, BUS_LAST_UNAVAILABLE},
        {{NULL, "events", NULL, "7"}, BUS_LAST_UNAVAILABLE},
        {{NULL, "events", "p.ev.chat.1", NULL}, BUS_LAST_UNAVAILABLE},
        {{"404", "events", NULL, NULL}, BUS_LAST_UNAVAILABLE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (jetstream_judge_direct(&rows[i].headers, "events", "p.ev.chat.1", 7) != rows[i].status)
            fail_msg("row %zu", i);
}

/* --- damage --- */

static void feed(struct slice input)
{
    struct jetstream_store_answer stored;
    struct jetstream_last_answer last;

    jetstream_decode_store(input, "events", &stored);
    assert_true((stored.stream_seq > 0) == (stored.status == BUS_STORED || stored.status == BUS_DUPLICATE));
    assert_true(memchr(stored.problem, '\0', sizeof stored.problem) != NULL);
    jetstream_decode_last(input, "p.ev.chat.1", &last);
    assert_true((last.data != NULL) == (last.status == BUS_LAST_FOUND));
    assert_true((last.stream_seq > 0) == (last.status == BUS_LAST_FOUND));
    free(last.data);
    jetstream_decode_at(input, "p.ev.chat.1", 7, &last);
    assert_true((last.data != NULL) == (last.status == BUS_LAST_FOUND));
    assert_true((last.stream_seq == 7) == (last.status == BUS_LAST_FOUND));
    free(last.data);
}

static void damaged_answers_are_survived(void **state)
{
    const struct slice seeds[] = {
        SLICE_LITERAL("{\"stream\":\"events\",\"seq\":42,\"duplicate\": true}"),
        SLICE_LITERAL(
            "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong last sequence: 3\"},"
            "\"stream\":\"events\",\"seq\":0}"),
        SLICE_LITERAL(MESSAGE("p.ev.chat.1", "7", ",\"data\":\"AAEC/+8=\"")),
        SLICE_LITERAL("{\"error\":{\"code\":404,\"err_code\":10037,\"description\":\"no message found\"}}"),
    };

    (void)state;
    mutate_each(seeds, 4, 40000, feed);
}

/* As nats-server 2.9.10 writes it, but for what is left out. */
#define INFO(replicas)                                                                                       \
    "{\"type\":\"io.nats.jetstream.api.v1.stream_info_response\",\"created\":\"2026-11-25T14:01:10."         \
    "123456789Z\","                                                                                          \
    "\"state\":{\"messages\":5,\"first_seq\":17,\"last_seq\":21},"                                           \
    "\"cluster\":{\"name\":\"C\",\"leader\":\"n0\"" replicas "}}"

static void the_extent_of_a_stream_is_read(void **state)
{
    (void)state;
    struct bus_extent extent;
    bool is_no_stream = true;
    assert_true(jetstream_decode_extent(slice_of(INFO("")), &extent, &is_no_stream));
    assert_false(is_no_stream);
    assert_int_equal(extent.first_seq, 17);
    assert_int_equal(extent.last_seq, 21);
    assert_int_equal(extent.created_s, 1795615270);
    assert_true(extent.has_quorum); /* one replica */
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"error\":{\"code\":404}}",
        "{\"created\":\"yesterday\",\"state\":{\"first_seq\":1,\"last_seq\":2}}",
        "{\"created\":\"2026-11-25T14:01:10Z\",\"state\":{\"first_seq\":-1,\"last_seq\":2}}",
        "{\"created\":\"2026-11-25T14:01:10Z\",\"state\":{\"first_seq\":\"1\",\"last_seq\":2}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(jetstream_decode_extent(slice_of(bad[i]), &extent, &is_no_stream) || is_no_stream);
}

static void only_the_error_for_it_says_that_there_is_no_stream(void **state)
{
    (void)state;
    struct bus_extent extent;
    bool is_no_stream = false;

    assert_false(jetstream_decode_extent(
        SLICE_LITERAL("{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}"),
        &extent, &is_no_stream));
    assert_true(is_no_stream);
    assert_false(jetstream_decode_extent(SLICE_LITERAL("{\"error\":{\"code\":503,\"err_code\":10008}}"),
                                         &extent, &is_no_stream));
    assert_false(is_no_stream);
}

static void a_leader_without_its_followers_has_no_quorum(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool has_quorum;
    } cases[] = {
        {INFO(",\"replicas\":[{\"name\":\"n1\",\"active\":900000000},{\"name\":\"n2\",\"active\":10}]"),
         true},
        {INFO(",\"replicas\":[{\"name\":\"n1\",\"active\":15000000000},{\"name\":\"n2\",\"active\":10}]"),
         true},
        {INFO(",\"replicas\":[{\"name\":\"n1\",\"active\":15000000000},{\"name\":\"n2\",\"active\":"
              "4000000000}]"),
         false},
        {INFO(",\"replicas\":[{\"name\":\"n1\",\"offline\":true,\"active\":10},{\"name\":\"n2\"}]"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bus_extent extent;
        bool is_no_stream;
        assert_true(jetstream_decode_extent(slice_of(cases[i].json), &extent, &is_no_stream));
        assert_int_equal(extent.has_quorum, cases[i].has_quorum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stored_message_has_its_sequence),
        cmocka_unit_test(an_error_says_what_is_certain),
        cmocka_unit_test(what_is_no_answer_leaves_the_fate_open),
        cmocka_unit_test(the_last_message_is_decoded),
        cmocka_unit_test(none_only_when_the_server_says_so),
        cmocka_unit_test(the_request_names_the_subject),
        cmocka_unit_test(the_message_at_a_sequence_is_decoded),
        cmocka_unit_test(the_request_names_the_sequence),
        cmocka_unit_test(the_headers_of_a_direct_answer_are_judged),
        cmocka_unit_test(damaged_answers_are_survived),
        cmocka_unit_test(the_extent_of_a_stream_is_read),
        cmocka_unit_test(only_the_error_for_it_says_that_there_is_no_stream),
        cmocka_unit_test(a_leader_without_its_followers_has_no_quorum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
