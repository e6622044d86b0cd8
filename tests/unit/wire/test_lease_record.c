#include "wire_test.h"

#include <roomcast/wire/lease_record.h>

static const struct lease_record sample = {.instance = "k3x9k3x9k3x9k3x9",
                                           .name = "relay-0",
                                           .term = 41,
                                           .write = UINT64_C(1) << 40,
                                           .ttl_ms = 3000,
                                           .released = true};

static void lease_record_survives_the_way_there_and_back(void **state)
{
    (void)state;
    struct lease_record out;
    struct buffer bytes;

    buffer_init(&bytes, LEASE_MAX_BYTES);
    assert_int_equal(lease_record_encode(&sample, &bytes), ERR_OK);
    assert_int_equal(lease_record_decode(buffer_slice(&bytes), &out), ERR_OK);
    buffer_fini(&bytes);
    assert_string_equal(out.instance, sample.instance);
    assert_string_equal(out.name, sample.name);
    assert_int_equal(out.term, sample.term);
    assert_int_equal(out.write, sample.write);
    assert_int_equal(out.ttl_ms, sample.ttl_ms);
    assert_true(out.released);
}

static void lease_record_out_of_range_is_refused(void **state)
{
    (void)state;
    struct lease_record wrong[] = {sample, sample, sample, sample, sample, sample, sample};
    struct buffer bytes;

    wrong[0].instance[0] = '\0';
    wrong[1].instance[0] = 'X';
    wrong[2].name[0] = '\n';
    wrong[3].term = 0;
    wrong[4].write = 0;
    wrong[5].ttl_ms = 0;
    wrong[6].ttl_ms = LEASE_TTL_MAX_MS + 1;
    buffer_init(&bytes, LEASE_MAX_BYTES);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(lease_record_encode(&wrong[i], &bytes), ERR_RANGE);
    assert_int_equal(bytes.len, 0);
    buffer_fini(&bytes);
}

static void lease_record_of_a_newer_release_is_not_judged(void **state)
{
    (void)state;
    struct lease_record out;
    /* version 2, and a field that nobody knows here */
    struct slice newer = SLICE_LITERAL("\x08\x02\x12\x01\x61\x20\x01\x28\x01\x30\x01\x7a\x01\x62");

    assert_int_equal(lease_record_decode(newer, &out), ERR_VERSION);
    struct slice same = SLICE_LITERAL("\x08\x01\x12\x01\x61\x20\x01\x28\x01\x30\x01\x7a\x01\x62");
    assert_int_equal(lease_record_decode(same, &out), ERR_OK);
    assert_string_equal(out.instance, "a");
    assert_string_equal(out.name, "");
    struct slice without = SLICE_LITERAL("\x12\x01\x61\x20\x01\x28\x01\x30\x01");
    assert_int_equal(lease_record_decode(without, &out), ERR_RANGE);
}

static void lease_record_of_any_bytes_is_refused_or_valid(void **state)
{
    (void)state;
    char text[LEASE_MAX_BYTES + 1] = "not a record";
    struct lease_record out;
    struct buffer bytes, again;

    assert_int_equal(lease_record_decode(slice_of(text), &out), ERR_SYNTAX);
    assert_int_equal(lease_record_decode((struct slice){text, sizeof text}, &out), ERR_TOO_BIG);
    buffer_init(&bytes, LEASE_MAX_BYTES);
    buffer_init(&again, LEASE_MAX_BYTES);
    assert_int_equal(lease_record_encode(&sample, &bytes), ERR_OK);
    for (size_t at = 0; at < bytes.len; at++) {
        char kept = bytes.data[at];
        for (unsigned value = 0; value < 256; value++) {
            bytes.data[at] = (char)value;
            if (lease_record_decode(buffer_slice(&bytes), &out) == ERR_OK) {
                buffer_clear(&again);
                assert_int_equal(lease_record_encode(&out, &again), ERR_OK);
            }
        }
        bytes.data[at] = kept;
        if (lease_record_decode((struct slice){bytes.data, at}, &out) == ERR_OK) /* the tail may be missing */
            assert_true(at > 0);
    }
    buffer_fini(&again);
    buffer_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lease_record_survives_the_way_there_and_back),
        cmocka_unit_test(lease_record_out_of_range_is_refused),
        cmocka_unit_test(lease_record_of_a_newer_release_is_not_judged),
        cmocka_unit_test(lease_record_of_any_bytes_is_refused_or_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
