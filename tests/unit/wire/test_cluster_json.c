#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/wire/cluster_json.h>

#define ZEROS                                                                                                \
    ",\"uptime_s\":0,\"accepted_total\":0,\"closed_total\":0,\"events_total\":0,\"deliveries_total\":0,"     \
    "\"shed_total\":0,\"queued_bytes\":0,\"lagging\":0,\"blocked\":0,\"age_ms_total\":0,\"age_count\":0,"    \
    "\"in_flight\":0,\"stored_total\":"
#define LAST ",\"lag_entries\":7,\"lag_s\":8,\"dead_total\":9"

static void expect(struct buffer *out, const char *text)
{
    buffer_append_char(out, '\0');
    assert_string_equal(out->data, text);
    buffer_fini(out);
}

static void self_and_the_others_are_written_with_all_their_numbers(void **state)
{
    (void)state;
    struct heartbeat self = {.instance = "a.1",
                             .name = "a \"quoted\"",
                             .admin = "127.0.0.1:9090",
                             .release = "0.1.0",
                             .kind = HEARTBEAT_OF_NODE,
                             .state = HEARTBEAT_DRAINING,
                             .number = 7,
                             .interval_ms = 5000,
                             .connections = 3,
                             .max_connections = 50000,
                             .rooms = 2,
                             .cpu_permille = 15,
                             .memory_bytes = 8388608};
    struct cluster_member relay = {.beat = {.instance = "r.2",
                                            .kind = HEARTBEAT_OF_RELAY,
                                            .state = HEARTBEAT_SERVING,
                                            .active = true,
                                            .stored_total = 18446744073709551615u,
                                            .lag_entries = 7,
                                            .lag_s = 8,
                                            .dead_total = 9},
                                   .age_ms = 1200};
    struct buffer out;
    buffer_init(&out, 4096);
    cluster_json_write(&out, &self, &relay, 1);
    expect(&out, "{\"self\":{\"instance\":\"a.1\",\"name\":\"a \\\"quoted\\\"\",\"kind\":\"node\","
                 "\"state\":\"draining\",\"admin\":\"127.0.0.1:9090\",\"release\":\"0.1.0\",\"active\":false,"
                 "\"number\":7,\"interval_ms\":5000,\"connections\":3,\"max_connections\":50000,\"rooms\":2,"
                 "\"cpu_permille\":15,\"memory_bytes\":8388608" ZEROS
                 "0,\"lag_entries\":0,\"lag_s\":0,\"dead_total\":0},\"members\":[{\"instance\":\"r.2\","
                 "\"name\":\"\",\"kind\":\"relay\",\"state\":\"serving\",\"admin\":\"\",\"release\":\"\","
                 "\"active\":true,\"number\":0,\"interval_ms\":0,\"connections\":0,\"max_connections\":0,"
                 "\"rooms\":0,\"cpu_permille\":0,\"memory_bytes\":0" ZEROS "18446744073709551615" LAST
                 ",\"age_ms\":1200}]}");
}

static void a_node_alone_has_no_members(void **state)
{
    (void)state;
    struct heartbeat self = {.instance = "a.1", .kind = HEARTBEAT_OF_NODE};
    struct buffer out;
    buffer_init(&out, 4096);
    cluster_json_write(&out, &self, NULL, 0);
    assert_non_null(strstr(out.data, "},\"members\":[]}"));
    buffer_fini(&out);
}

static void every_state_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = HEARTBEAT_UNKNOWN; i <= HEARTBEAT_LEAVING; i++) {
        assert_true(strlen(cluster_json_state((enum heartbeat_state)i)) > 0);
        for (int j = HEARTBEAT_UNKNOWN; j < i; j++)
            assert_string_not_equal(cluster_json_state((enum heartbeat_state)i),
                                    cluster_json_state((enum heartbeat_state)j));
    }
}

struct seen {
    struct cluster_member entries[4];
    size_t count, selves;
};

static void see(void *context, const struct cluster_member *member, bool is_self)
{
    struct seen *seen = context;
    assert_true(seen->count < 4);
    seen->entries[seen->count++] = *member;
    seen->selves += is_self;
}

static void what_was_written_is_read_again(void **state)
{
    (void)state;
    struct heartbeat self = {.instance = "a.1",
                             .name = "a \"quoted\" gr\xc3\xb6\xc3\x9f",
                             .admin = "127.0.0.1:9090",
                             .release = "0.1.0",
                             .kind = HEARTBEAT_OF_NODE,
                             .state = HEARTBEAT_CUT_OFF,
                             .number = 7,
                             .interval_ms = 5000,
                             .connections = 3,
                             .rooms = 2,
                             .deliveries_total = INT64_MAX,
                             .age_count = 9};
    struct cluster_member relay = {.beat = {.instance = "r.2",
                                            .kind = HEARTBEAT_OF_RELAY,
                                            .state = HEARTBEAT_SERVING,
                                            .number = 1,
                                            .interval_ms = 100,
                                            .active = true,
                                            .stored_total = 44,
                                            .lag_entries = 45,
                                            .lag_s = 46,
                                            .dead_total = 47},
                                   .age_ms = 1200};
    struct seen seen = {.count = 0};
    struct buffer out;
    buffer_init(&out, 4096);
    cluster_json_write(&out, &self, &relay, 1);
    assert_int_equal(cluster_json_read(buffer_slice(&out), see, &seen), ERR_OK);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.selves, 1);
    struct buffer again;
    buffer_init(&again, 4096);
    cluster_json_write(&again, &seen.entries[0].beat, &seen.entries[1], 1);
    assert_string_equal(buffer_text(&again), buffer_text(&out));
    buffer_fini(&again);
    buffer_fini(&out);
}

static void entries_that_are_no_beats_are_passed_over(void **state)
{
    (void)state;
    static const char text[] =
        "{\"self\":{\"instance\":\"\",\"kind\":\"node\"},\"members\":[1,null,[],{},"
        "{\"instance\":\"a\\n\",\"name\":\"\",\"kind\":\"node\",\"admin\":\"\",\"release\":\"\","
        "\"number\":1,\"interval_ms\":5000},"
        "{\"instance\":\"p\",\"name\":\"\",\"kind\":\"proxy\",\"admin\":\"\",\"release\":\"\","
        "\"number\":1,\"interval_ms\":5000},"
        "{\"instance\":\"b\",\"name\":\"\",\"kind\":\"node\",\"admin\":\"\",\"release\":\"\","
        "\"number\":1,\"interval_ms\":5000,\"state\":\"invented\",\"rooms\":-3,\"more\":[]}]}";
    struct seen seen = {.count = 0};
    assert_int_equal(cluster_json_read(SLICE_LITERAL(text), see, &seen), ERR_OK);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.entries[0].beat.instance, "b");
    assert_int_equal(seen.entries[0].beat.state, HEARTBEAT_UNKNOWN);
    assert_int_equal(seen.entries[0].beat.rooms, 0);
}

static void what_is_no_such_document_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "{",
                                        "[]",
                                        "{\"self\":{}}",
                                        "{\"members\":[]}",
                                        "{\"self\":[],\"members\":[]}",
                                        "not found\n",
                                        "[[[[[[]]]]]]"};
    struct seen seen = {.count = 0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(cluster_json_read(slice_of(texts[i]), see, &seen), ERR_SYNTAX);
    assert_int_equal(seen.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(self_and_the_others_are_written_with_all_their_numbers),
        cmocka_unit_test(a_node_alone_has_no_members),
        cmocka_unit_test(every_state_has_a_name_of_its_own),
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(entries_that_are_no_beats_are_passed_over),
        cmocka_unit_test(what_is_no_such_document_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
