#include "wire_test.h"

#include <stdlib.h>

#include <roomcast/wire/revocation.h>

#include <mutate.h>

static struct uuid uuid_of(const char *text)
{
    struct uuid uuid;

    assert_int_equal(uuid_parse(slice_of(text), &uuid), ERR_OK);
    return uuid;
}

/* One of each kind. */
static void make_samples(struct revocation samples[4])
{
    struct uuid chat = uuid_of(CHAT);
    struct room_key user = user_key("ben");

    revocation_of_user(&user, &chat, &samples[0]);
    revocation_of_chat(&chat, &samples[1]);
    revocation_of_user(&user, NULL, &samples[2]);
    assert_int_equal(revocation_of_token(SLICE_LITERAL("t-1"), &samples[3]), ERR_OK);
    for (size_t i = 0; i < 4; i++) {
        samples[i].at_s = 1764140000 + i;
        samples[i].until_s = 1764226400;
        samples[i].order = UINT64_MAX - i;
        samples[i].lifted_order = i;
    }
}

static void assert_same(const struct revocation *a, const struct revocation *b)
{
    char key_a[REVOCATION_KEY_MAX], key_b[REVOCATION_KEY_MAX];
    size_t len = revocation_key(a, key_a);

    assert_int_equal(revocation_key(b, key_b), len);
    assert_memory_equal(key_a, key_b, len);
    assert_int_equal(a->at_s, b->at_s);
    assert_int_equal(a->until_s, b->until_s);
    assert_true(a->order == b->order && a->lifted_order == b->lifted_order);
}

static void revocations_survive_the_way_there_and_back(void **state)
{
    (void)state;
    struct revocation samples[4], *out = NULL;
    struct buffer bytes;
    size_t count = 0;

    make_samples(samples);
    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    assert_int_equal(revocations_encode(samples, 4, &bytes), ERR_OK);
    assert_int_equal(revocations_decode(buffer_slice(&bytes), &out, &count), ERR_OK);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_same(&out[i], &samples[i]);
    free(out);
    buffer_clear(&bytes);
    assert_int_equal(revocations_encode(NULL, 0, &bytes), ERR_OK);
    assert_int_equal(revocations_decode(buffer_slice(&bytes), &out, &count), ERR_OK);
    assert_int_equal(count, 0);
    assert_null(out);
    buffer_fini(&bytes);
}

static void a_record_takes_no_more_bytes_than_was_said(void **state)
{
    (void)state;
    struct revocation samples[4];
    struct buffer bytes;
    char longest[USER_ID_MAX + 1] = "";
    struct uuid chat = uuid_of(CHAT);

    make_samples(samples);
    memset(longest, 'u', USER_ID_MAX);
    struct room_key user = user_key(longest);
    revocation_of_user(&user, &chat, &samples[0]);
    samples[0].at_s = samples[0].until_s = REVOCATION_SECONDS_MAX;
    samples[0].order = samples[0].lifted_order = UINT64_MAX;
    for (size_t i = 0; i < 4; i++) {
        buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
        assert_int_equal(revocations_encode(&samples[i], 1, &bytes), ERR_OK);
        size_t one = bytes.len;
        buffer_clear(&bytes);
        const struct revocation twice[] = {samples[i], samples[i]};
        assert_int_equal(revocations_encode(twice, 2, &bytes), ERR_OK);
        assert_true(bytes.len - one <= revocation_encoded_most(&samples[i]));
        buffer_fini(&bytes);
    }
}

static void a_record_that_breaks_a_rule_is_refused(void **state)
{
    (void)state;
    struct revocation samples[4], wrong[8];
    struct buffer bytes;

    make_samples(samples);
    for (size_t i = 0; i < COUNT(wrong); i++)
        wrong[i] = samples[0];
    wrong[0].kind = 0;
    wrong[1].kind = REVOCATION_TOKEN + 1;
    wrong[2].id_len = 0;
    wrong[3].id[0] = '\n';
    wrong[4].until_s = 0;
    wrong[5].until_s = REVOCATION_SECONDS_MAX + 1;
    wrong[6].at_s = REVOCATION_SECONDS_MAX + 1;
    wrong[7].order = wrong[7].lifted_order = 0;
    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(revocations_encode(&wrong[i], 1, &bytes), ERR_RANGE);
    wrong[0] = samples[1];
    wrong[0].id_len = 1;
    wrong[0].id[0] = 'x';
    assert_int_equal(revocations_encode(wrong, 1, &bytes), ERR_RANGE);
    assert_int_equal(bytes.len, 0);
    buffer_fini(&bytes);
    assert_int_equal(revocation_of_token(SLICE_LITERAL(""), &wrong[0]), ERR_RANGE);
    char longer[TOKEN_ID_MAX + 1];
    memset(longer, 't', sizeof longer);
    assert_int_equal(revocation_of_token((struct slice){longer, TOKEN_ID_MAX}, &wrong[0]), ERR_OK);
    assert_int_equal(revocation_of_token((struct slice){longer, TOKEN_ID_MAX + 1}, &wrong[0]), ERR_RANGE);
}

static void revocations_of_a_newer_release_are_not_judged(void **state)
{
    (void)state;
    struct revocation *out = NULL;
    size_t count = 7;

    assert_int_equal(revocations_decode(SLICE_LITERAL("\x08\x02"), &out, &count), ERR_VERSION);
    assert_int_equal(revocations_decode(SLICE_LITERAL(""), &out, &count), ERR_RANGE);
    assert_int_equal(revocations_decode(SLICE_LITERAL("\x08"), &out, &count), ERR_SYNTAX);
    assert_null(out);
    assert_int_equal(count, 7);
    /* a field that nobody knows here */
    assert_int_equal(revocations_decode(SLICE_LITERAL("\x08\x01\x7a\x01\x62"), &out, &count), ERR_OK);
    assert_int_equal(count, 0);
}

static void more_than_a_message_may_have_is_refused(void **state)
{
    (void)state;
    size_t many = REVOCATIONS_MAX_BYTES / 40;
    struct revocation samples[4], *all = calloc(many, sizeof *all), *out;
    struct buffer bytes;
    size_t count;

    make_samples(samples);
    assert_non_null(all);
    for (size_t i = 0; i < many; i++)
        all[i] = samples[1];
    buffer_init(&bytes, 2 * REVOCATIONS_MAX_BYTES);
    assert_int_equal(revocations_encode(all, many, &bytes), ERR_TOO_BIG);
    assert_int_equal(bytes.len, 0);
    free(all);
    char *zeros = calloc(1, REVOCATIONS_MAX_BYTES + 1);
    assert_non_null(zeros);
    assert_int_equal(revocations_decode((struct slice){zeros, REVOCATIONS_MAX_BYTES + 1}, &out, &count),
                     ERR_TOO_BIG);
    free(zeros);
    buffer_fini(&bytes);
}

/* These numbers are where the records of running systems stand: they may never change. */
static void the_shard_of_a_key_is_the_same_for_ever(void **state)
{
    (void)state;
    struct revocation samples[4], one;
    static const unsigned shards[4] = {51, 36, 26, 20};
    unsigned used[REVOCATION_SHARDS] = {0};

    make_samples(samples);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(revocation_shard(&samples[i]), shards[i]);
    for (unsigned i = 0; i < 64 * REVOCATION_SHARDS; i++) {
        struct uuid uuid;
        char text[UUID_TEXT_SIZE];
        uuid_generate_random(&uuid);
        uuid_format(&uuid, text);
        struct room_key user = user_key(text);
        revocation_of_user(&user, NULL, &one);
        used[revocation_shard(&one)]++;
    }
    for (unsigned i = 0; i < REVOCATION_SHARDS; i++)
        assert_in_range(used[i], 16, 160); /* 64 each on average */
}

static void feed(struct slice input)
{
    struct revocation *out;
    struct buffer again;
    size_t count;

    if (revocations_decode(input, &out, &count))
        return;
    buffer_init(&again, REVOCATIONS_MAX_BYTES);
    assert_int_equal(revocations_encode(out, count, &again), ERR_OK);
    buffer_fini(&again);
    free(out);
}

static void revocations_of_any_bytes_are_refused_or_valid(void **state)
{
    (void)state;
    struct revocation samples[4];
    struct buffer bytes;

    make_samples(samples);
    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    assert_int_equal(revocations_encode(samples, 4, &bytes), ERR_OK);
    const struct slice seeds[] = {buffer_slice(&bytes)};
    mutate_each(seeds, COUNT(seeds), 6000, feed);
    buffer_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(revocations_survive_the_way_there_and_back),
        cmocka_unit_test(a_record_takes_no_more_bytes_than_was_said),
        cmocka_unit_test(a_record_that_breaks_a_rule_is_refused),
        cmocka_unit_test(revocations_of_a_newer_release_are_not_judged),
        cmocka_unit_test(more_than_a_message_may_have_is_refused),
        cmocka_unit_test(the_shard_of_a_key_is_the_same_for_ever),
        cmocka_unit_test(revocations_of_any_bytes_are_refused_or_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
