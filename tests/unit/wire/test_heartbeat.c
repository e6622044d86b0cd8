#include "wire_test.h"

#include <roomcast/wire/heartbeat.h>

#include "protobuf_text.h"

static const struct heartbeat sample = {
    .instance = "node 0.k3x9k3x9",
    .name = "node 0",
    .admin = "127.0.0.1:9090",
    .release = "0.1.0",
    .kind = HEARTBEAT_OF_NODE,
    .state = HEARTBEAT_SERVING,
    .number = 7,
    .interval_ms = 5000,
    .connections = 1200,
    .max_connections = 50000,
    .rooms = 300,
    .cpu_permille = 1250,
    .memory_bytes = UINT64_C(1) << 40,
    .uptime_s = 86400,
    .accepted_total = 5,
    .closed_total = 6,
    .events_total = 8,
    .deliveries_total = UINT64_MAX,
    .shed_total = 9,
    .queued_bytes = 10,
    .lagging = 11,
    .blocked = 12,
    .age_ms_total = 13,
    .age_count = 14,
    .active = true,
    .in_flight = 15,
    .stored_total = 16,
    .lag_entries = 17,
    .lag_s = 18,
    .dead_total = 19,
};

static void a_heartbeat_survives_the_way_there_and_back(void **state)
{
    (void)state;
    struct heartbeat out;
    struct buffer bytes;

    buffer_init(&bytes, HEARTBEAT_MAX_BYTES);
    assert_int_equal(heartbeat_encode(&sample, &bytes), ERR_OK);
    memset(&out, 0xff, sizeof out);
    assert_int_equal(heartbeat_decode(buffer_slice(&bytes), &out), ERR_OK);
    buffer_fini(&bytes);
    assert_string_equal(out.instance, sample.instance);
    assert_string_equal(out.name, sample.name);
    assert_string_equal(out.admin, sample.admin);
    assert_string_equal(out.release, sample.release);
    assert_int_equal(out.kind, sample.kind);
    assert_int_equal(out.state, sample.state);
    assert_true(out.active);
    assert_true(out.number == sample.number);
    assert_true(out.interval_ms == sample.interval_ms);
    assert_true(out.connections == sample.connections);
    assert_true(out.max_connections == sample.max_connections);
    assert_true(out.rooms == sample.rooms);
    assert_true(out.cpu_permille == sample.cpu_permille);
    assert_true(out.memory_bytes == sample.memory_bytes);
    assert_true(out.uptime_s == sample.uptime_s);
    assert_true(out.accepted_total == sample.accepted_total);
    assert_true(out.closed_total == sample.closed_total);
    assert_true(out.events_total == sample.events_total);
    assert_true(out.deliveries_total == sample.deliveries_total);
    assert_true(out.shed_total == sample.shed_total);
    assert_true(out.queued_bytes == sample.queued_bytes);
    assert_true(out.lagging == sample.lagging);
    assert_true(out.blocked == sample.blocked);
    assert_true(out.age_ms_total == sample.age_ms_total);
    assert_true(out.age_count == sample.age_count);
    assert_true(out.in_flight == sample.in_flight);
    assert_true(out.stored_total == sample.stored_total);
    assert_true(out.lag_entries == sample.lag_entries);
    assert_true(out.lag_s == sample.lag_s);
    assert_true(out.dead_total == sample.dead_total);
}

static void the_longest_heartbeat_fits(void **state)
{
    (void)state;
    struct heartbeat beat = sample;
    struct buffer bytes;

    memset(beat.instance, 'i', HEARTBEAT_INSTANCE_MAX);
    memset(beat.name, 'n', HEARTBEAT_NAME_MAX);
    memset(beat.admin, 'a', HEARTBEAT_ADMIN_MAX);
    memset(beat.release, 'r', HEARTBEAT_RELEASE_MAX);
    beat.cpu_permille = beat.memory_bytes = beat.uptime_s = beat.events_total = UINT64_MAX;
    buffer_init(&bytes, HEARTBEAT_MAX_BYTES);
    assert_int_equal(heartbeat_encode(&beat, &bytes), ERR_OK);
    buffer_fini(&bytes);
}

static void a_heartbeat_out_of_range_is_refused(void **state)
{
    (void)state;
    struct heartbeat wrong[11];
    struct buffer bytes;

    for (size_t i = 0; i < COUNT(wrong); i++)
        wrong[i] = sample;
    wrong[0].instance[0] = '\0';
    wrong[1].instance[0] = '\n';
    wrong[2].name[0] = '\x1b';
    wrong[3].admin[0] = ' ';
    wrong[4].release[0] = '\x7f';
    wrong[5].number = 0;
    wrong[6].interval_ms = HEARTBEAT_INTERVAL_MIN_MS - 1;
    wrong[7].interval_ms = HEARTBEAT_INTERVAL_MAX_MS + 1;
    wrong[8].connections = HEARTBEAT_COUNT_MAX + 1;
    wrong[9].kind = (enum heartbeat_kind)0;
    wrong[10].state = (enum heartbeat_state)(HEARTBEAT_LEAVING + 1);
    buffer_init(&bytes, HEARTBEAT_MAX_BYTES);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(heartbeat_encode(&wrong[i], &bytes), ERR_RANGE);
    assert_int_equal(bytes.len, 0);
    buffer_fini(&bytes);
}

/* A beat as an encoder of another release would write it. */
static enum err decode_numbers(unsigned version, unsigned kind, unsigned of_state, unsigned unknown_field,
                               struct heartbeat *ret_beat)
{
    struct buffer bytes;

    buffer_init(&bytes, HEARTBEAT_MAX_BYTES);
    pb_number(&bytes, 1, version);
    pb_text(&bytes, 2, "a.1");
    pb_number(&bytes, 4, kind);
    pb_number(&bytes, 5, 1);
    pb_number(&bytes, 6, 5000);
    pb_number(&bytes, 7, of_state);
    pb_text(&bytes, unknown_field, "?");
    enum err err = heartbeat_decode(buffer_slice(&bytes), ret_beat);
    buffer_fini(&bytes);
    return err;
}

static void a_heartbeat_of_another_release_is_read_as_far_as_it_is_known(void **state)
{
    (void)state;
    struct heartbeat out = {.number = 99};

    assert_int_equal(decode_numbers(HEARTBEAT_VERSION + 1, 1, 2, 90, &out), ERR_VERSION);
    assert_int_equal(decode_numbers(0, 1, 2, 90, &out), ERR_RANGE);
    assert_int_equal(decode_numbers(1, 0, 2, 90, &out), ERR_RANGE);
    assert_int_equal(decode_numbers(1, 3, 2, 90, &out), ERR_UNKNOWN);
    assert_int_equal(out.number, 99);
    assert_int_equal(decode_numbers(1, 1, 2, 90, &out), ERR_OK);
    assert_string_equal(out.instance, "a.1");
    assert_int_equal(out.state, HEARTBEAT_SERVING);
    assert_int_equal(decode_numbers(1, 2, HEARTBEAT_LEAVING + 1, 90, &out), ERR_OK);
    assert_int_equal(out.kind, HEARTBEAT_OF_RELAY);
    assert_int_equal(out.state, HEARTBEAT_UNKNOWN);
}

static void a_heartbeat_of_any_bytes_is_refused_or_valid(void **state)
{
    (void)state;
    char text[HEARTBEAT_MAX_BYTES + 1] = "not a beat";
    struct heartbeat out;
    struct buffer bytes, again;

    assert_int_equal(heartbeat_decode(slice_of(text), &out), ERR_SYNTAX);
    assert_int_equal(heartbeat_decode((struct slice){text, sizeof text}, &out), ERR_TOO_BIG);
    buffer_init(&bytes, HEARTBEAT_MAX_BYTES);
    buffer_init(&again, HEARTBEAT_MAX_BYTES);
    assert_int_equal(heartbeat_encode(&sample, &bytes), ERR_OK);
    for (size_t at = 0; at < bytes.len; at++) {
        char kept = bytes.data[at];
        for (unsigned value = 0; value < 256; value++) {
            bytes.data[at] = (char)value;
            if (heartbeat_decode(buffer_slice(&bytes), &out) == ERR_OK) {
                buffer_clear(&again);
                assert_int_equal(heartbeat_encode(&out, &again), ERR_OK);
            }
        }
        bytes.data[at] = kept;
    }
    buffer_fini(&again);
    buffer_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heartbeat_survives_the_way_there_and_back),
        cmocka_unit_test(the_longest_heartbeat_fits),
        cmocka_unit_test(a_heartbeat_out_of_range_is_refused),
        cmocka_unit_test(a_heartbeat_of_another_release_is_read_as_far_as_it_is_known),
        cmocka_unit_test(a_heartbeat_of_any_bytes_is_refused_or_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
