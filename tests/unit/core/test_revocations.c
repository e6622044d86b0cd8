#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include <roomcast/core/revocations.h>

#include "failing_alloc.h"
#include "revocations.c"
#include "seeded.h"

#define CHAT  "6f1c2b7a-58d3-4e09-9c1e-0d2f4a6b8c1d"
#define OTHER "00000000-0000-4000-8000-000000000002"
#define NOW   1000u

static struct revocations *set;

static int start(void **state)
{
    (void)state;
    return revocations_new(&set) == ERR_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    revocations_free(&set);
    return 0;
}

static struct uuid uuid_of(const char *text)
{
    struct uuid uuid;
    assert_int_equal(uuid_parse(slice_of(text), &uuid), ERR_OK);
    return uuid;
}

/* `chat` NULL: everywhere. Binds tokens up to second 900, until second 2000. */
static struct revocation of_user(const char *name, const char *chat)
{
    struct revocation revocation;
    struct room_key user;
    assert_int_equal(room_key_for_user(slice_of(name), &user), ERR_OK);
    struct uuid uuid = uuid_of(chat ? chat : CHAT);
    revocation_of_user(&user, chat ? &uuid : NULL, &revocation);
    revocation.at_s = 900;
    revocation.until_s = 2000;
    revocation.order = 10;
    return revocation;
}

static struct revocation of_chat(const char *chat)
{
    struct revocation revocation;
    struct uuid uuid = uuid_of(chat);
    revocation_of_chat(&uuid, &revocation);
    revocation.at_s = 900;
    revocation.until_s = 2000;
    revocation.order = 10;
    return revocation;
}

static struct revocation of_token(const char *id)
{
    struct revocation revocation;
    assert_int_equal(revocation_of_token(slice_of(id), &revocation), ERR_OK);
    revocation.at_s = 900;
    revocation.until_s = 2000;
    revocation.order = 10;
    return revocation;
}

static enum revocations_merged merge(struct revocation revocation)
{
    return revocations_merge(set, &revocation, NOW);
}

static enum revocation_kind find_at(const char *name, const char *id, uint64_t issued_at, const char *chat,
                                    uint64_t now_s)
{
    struct room_key user;
    assert_int_equal(room_key_for_user(slice_of(name), &user), ERR_OK);
    struct token_claims claims = {
        .user = room_key_store(&user), .id = (char *)(uintptr_t)id, .issued_at = issued_at};
    assert_non_null(claims.user);
    struct uuid uuid = uuid_of(chat ? chat : CHAT);
    enum revocation_kind kind = revocations_find(set, &claims, chat ? &uuid : NULL, now_s);
    free(claims.user);
    return kind;
}

static enum revocation_kind find(const char *name, const char *id, uint64_t issued_at, const char *chat)
{
    return find_at(name, id, issued_at, chat, NOW);
}

static void nothing_is_revoked_at_first(void **state)
{
    (void)state;
    assert_int_equal(find("ben", "t-1", 0, CHAT), 0);
    assert_int_equal(revocations_count(set), 0);
}

static void a_user_is_revoked_for_tokens_issued_up_to_then_and_for_those_that_do_not_say(void **state)
{
    (void)state;
    assert_int_equal(merge(of_user("ben", NULL)), REVOCATIONS_BINDS);
    assert_int_equal(find("ben", NULL, 899, NULL), REVOCATION_USER);
    assert_int_equal(find("ben", NULL, 900, NULL), REVOCATION_USER);
    assert_int_equal(find("ben", NULL, 901, NULL), 0);
    assert_int_equal(find("ben", NULL, 0, NULL), REVOCATION_USER);
    assert_int_equal(find("ben", NULL, 900, OTHER), REVOCATION_USER); /* in every chat as well */
    assert_int_equal(find("anna", NULL, 900, CHAT), 0);
}

static void a_user_in_a_chat_loses_that_chat_only(void **state)
{
    (void)state;
    assert_int_equal(merge(of_user("ben", CHAT)), REVOCATIONS_BINDS);
    assert_int_equal(find("ben", NULL, 900, CHAT), REVOCATION_USER_IN_CHAT);
    assert_int_equal(find("ben", NULL, 0, CHAT), REVOCATION_USER_IN_CHAT);
    assert_int_equal(find("ben", NULL, 901, CHAT), 0);
    assert_int_equal(find("ben", NULL, 900, OTHER), 0);
    assert_int_equal(find("ben", NULL, 900, NULL), 0);
    assert_int_equal(find("anna", NULL, 900, CHAT), 0);
}

static void a_deleted_chat_is_closed_to_every_token(void **state)
{
    (void)state;
    assert_int_equal(merge(of_chat(CHAT)), REVOCATIONS_BINDS);
    assert_int_equal(find("ben", NULL, 0, CHAT), REVOCATION_CHAT);
    assert_int_equal(find("ben", NULL, 901, CHAT), REVOCATION_CHAT);
    assert_int_equal(find("ben", NULL, 901, OTHER), 0);
    assert_int_equal(find("ben", NULL, 901, NULL), 0);
}

static void a_token_is_revoked_whenever_it_was_issued(void **state)
{
    (void)state;
    assert_int_equal(merge(of_token("t-1")), REVOCATIONS_BINDS);
    assert_int_equal(find("ben", "t-1", 901, NULL), REVOCATION_TOKEN);
    assert_int_equal(find("ben", "t-1", 0, CHAT), REVOCATION_TOKEN);
    assert_int_equal(find("ben", "t-2", 0, CHAT), 0);
    assert_int_equal(find("t-1", NULL, 0, CHAT), 0);
}

static void a_lift_gives_back_what_was_taken_before_it_and_not_what_is_taken_after(void **state)
{
    (void)state;
    struct revocation lift = of_user("ben", CHAT);
    lift.at_s = lift.order = 0;
    lift.lifted_order = 11;
    assert_int_equal(merge(lift), REVOCATIONS_SAME); /* there is nothing to lift */
    assert_int_equal(revocations_count(set), 0);
    assert_int_equal(merge(of_user("ben", CHAT)), REVOCATIONS_BINDS);
    assert_int_equal(merge(lift), REVOCATIONS_CHANGED);
    assert_int_equal(find("ben", NULL, 900, CHAT), 0);
    assert_int_equal(merge(of_user("ben", CHAT)), REVOCATIONS_SAME); /* read again */
    assert_int_equal(find("ben", NULL, 900, CHAT), 0);
    struct revocation later = of_user("ben", CHAT);
    later.order = 12;
    assert_int_equal(revocations_latest(set, &later), 11);
    assert_int_equal(merge(later), REVOCATIONS_BINDS);
    assert_int_equal(revocations_latest(set, &later), 12);
    assert_int_equal(find("ben", NULL, 900, CHAT), REVOCATION_USER_IN_CHAT);
    later = of_user("ben", NULL);
    assert_int_equal(revocations_latest(set, &later), 0);
}

static void what_comes_again_changes_nothing_and_what_is_larger_counts(void **state)
{
    (void)state;
    assert_int_equal(merge(of_user("ben", NULL)), REVOCATIONS_BINDS);
    assert_int_equal(merge(of_user("ben", NULL)), REVOCATIONS_SAME);
    struct revocation other = of_user("ben", NULL);
    other.until_s = 3000;
    other.at_s = 800;
    assert_int_equal(merge(other), REVOCATIONS_CHANGED);
    assert_int_equal(find_at("ben", NULL, 900, NULL, 2999), REVOCATION_USER);
    other.at_s = 950;
    assert_int_equal(merge(other), REVOCATIONS_BINDS);
    assert_int_equal(find("ben", NULL, 950, NULL), REVOCATION_USER);
    assert_int_equal(revocations_count(set), 1);
}

static void a_revocation_is_forgotten_at_its_time(void **state)
{
    (void)state;
    struct revocation revocation = of_user("ben", NULL);
    unsigned shard = revocation_shard(&revocation);
    assert_int_equal(merge(revocation), REVOCATIONS_BINDS);
    assert_int_equal(find_at("ben", NULL, 0, NULL, 1999), REVOCATION_USER);
    assert_int_equal(find_at("ben", NULL, 0, NULL, 2000), 0);
    revocations_expire(set, shard, 1999);
    assert_int_equal(revocations_count(set), 1);
    revocations_expire(set, shard, 2000);
    assert_int_equal(revocations_count(set), 0);
    assert_int_equal(revocations_merge(set, &revocation, 2000), REVOCATIONS_SAME);
    assert_int_equal(revocations_count(set), 0);
}

/* The number-th revocation whose records lie in the shard of the first one. */
static struct revocation in_shard(unsigned shard, unsigned *number)
{
    for (;;) {
        char name[24];
        snprintf(name, sizeof name, "user-%u", (*number)++);
        struct revocation revocation = of_user(name, NULL);
        if (revocation_shard(&revocation) == shard)
            return revocation;
    }
}

static void a_full_shard_refuses_and_forgets_nothing_that_binds(void **state)
{
    (void)state;
    unsigned number = 0, kept = 0;
    enum revocations_merged merged;
    while ((merged = merge(in_shard(7, &number))) == REVOCATIONS_BINDS)
        kept++;
    assert_int_equal(merged, REVOCATIONS_FULL);
    assert_true(kept > 3000);
    assert_int_equal(revocations_count(set), kept);
    unsigned first = 0;
    struct revocation again = in_shard(7, &first);
    assert_int_equal(find(again.id, NULL, 0, NULL), REVOCATION_USER);
    again.at_s = 999; /* what is there may still change */
    assert_int_equal(merge(again), REVOCATIONS_BINDS);
    assert_int_equal(merge(of_user("ben", OTHER)), REVOCATIONS_BINDS); /* another shard */

    struct revocation *records;
    struct buffer bytes;
    size_t count;
    assert_int_equal(revocations_copy(set, 7, &records, &count), ERR_OK);
    assert_int_equal(count, kept);
    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    assert_int_equal(revocations_encode(records, count, &bytes), ERR_OK); /* a full shard fits a message */
    assert_true(bytes.len <= REVOCATIONS_SHARD_BYTES + 16);
    buffer_fini(&bytes);
    free(records);

    struct revocation fresh = in_shard(7, &number);
    fresh.until_s = 5000;
    assert_int_equal(revocations_merge(set, &fresh, 2000), REVOCATIONS_BINDS); /* the others are over */
    assert_int_equal(revocations_count(set), 2);
}

static void a_shard_is_copied_and_cleared_by_itself(void **state)
{
    (void)state;
    const struct revocation all[] = {of_user("ben", CHAT), of_user("anna", NULL), of_chat(OTHER),
                                     of_token("t-1")};
    size_t copied = 0;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(merge(all[i]), REVOCATIONS_BINDS);
    for (unsigned shard = 0; shard < REVOCATION_SHARDS; shard++) {
        struct revocation *records = NULL;
        size_t count;
        assert_int_equal(revocations_copy(set, shard, &records, &count), ERR_OK);
        for (size_t i = 0; i < count; i++, copied++) {
            assert_int_equal(revocation_shard(&records[i]), shard);
            assert_int_equal(merge(records[i]), REVOCATIONS_SAME);
        }
        free(records);
    }
    assert_int_equal(copied, 4);
    revocations_clear(set, revocation_shard(&all[0]));
    assert_int_equal(find("ben", NULL, 0, CHAT), 0);
    assert_int_equal(find("anna", NULL, 0, CHAT), REVOCATION_USER);
}

/* Whatever the order and the repetitions, all who have heard the same hold the same: the truth is the largest
 * of each field. A lift alone, before what it lifts, is the one that may be heard and not kept. */
static void records_in_any_order_give_one_result(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t random = seed;
        struct revocation said[12];
        for (size_t i = 0; i < 12; i++) {
            said[i] = of_user(seeded_below(&random, 2) ? "ben" : "anna", CHAT);
            said[i].order = 1 + seeded_below(&random, 50);
            said[i].at_s = seeded_below(&random, 1000);
            said[i].until_s = 1500 + seeded_below(&random, 1000);
            said[i].lifted_order = seeded_below(&random, 50);
        }
        struct revocation *expected[REVOCATION_SHARDS] = {NULL};
        for (unsigned round = 0; round < 3; round++) {
            struct revocations *heard;
            assert_int_equal(revocations_new(&heard), ERR_OK);
            for (size_t i = 12; i > 1; i--) { /* shuffled, Fisher and Yates */
                size_t j = seeded_below(&random, i);
                struct revocation kept = said[i - 1];
                said[i - 1] = said[j];
                said[j] = kept;
            }
            for (size_t i = 0; i < 12; i++)
                for (size_t times = 1 + seeded_below(&random, 2); times > 0; times--)
                    (void)!revocations_merge(heard, &said[i], NOW);
            for (unsigned shard = 0; shard < REVOCATION_SHARDS; shard++) {
                struct revocation *records;
                size_t count;
                assert_int_equal(revocations_copy(heard, shard, &records, &count), ERR_OK);
                assert_true(count <= 1); /* anna and ben lie apart */
                if (round == 0) {
                    expected[shard] = records;
                    continue;
                }
                assert_int_equal(count, expected[shard] != NULL);
                if (count)
                    assert_memory_equal(records, expected[shard], sizeof *records);
                free(records);
            }
            revocations_free(&heard);
        }
        for (unsigned shard = 0; shard < REVOCATION_SHARDS; shard++)
            free(expected[shard]);
    }
}

static void without_memory_nothing_is_changed(void **state)
{
    (void)state;
    struct revocations *none = NULL;
    alloc_fail(1);
    assert_int_equal(revocations_new(&none), ERR_NO_MEMORY);
    for (size_t k = 1;; k++) {
        alloc_fail(k);
        enum revocations_merged merged = merge(of_user("ben", NULL));
        if (!alloc_failed) {
            assert_int_equal(merged, REVOCATIONS_BINDS);
            break;
        }
        assert_int_equal(merged, REVOCATIONS_NO_MEMORY);
        assert_int_equal(revocations_count(set), 0);
        assert_int_equal(find("ben", NULL, 0, NULL), 0);
    }
    struct revocation of = of_user("ben", NULL), *records = NULL;
    size_t count;
    alloc_fail(1);
    assert_int_equal(revocations_copy(set, revocation_shard(&of), &records, &count), ERR_NO_MEMORY);
    alloc_fail(0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_revoked_at_first),
        TEST(a_user_is_revoked_for_tokens_issued_up_to_then_and_for_those_that_do_not_say),
        TEST(a_user_in_a_chat_loses_that_chat_only),
        TEST(a_deleted_chat_is_closed_to_every_token),
        TEST(a_token_is_revoked_whenever_it_was_issued),
        TEST(a_lift_gives_back_what_was_taken_before_it_and_not_what_is_taken_after),
        TEST(what_comes_again_changes_nothing_and_what_is_larger_counts),
        TEST(a_revocation_is_forgotten_at_its_time),
        TEST(a_full_shard_refuses_and_forgets_nothing_that_binds),
        TEST(a_shard_is_copied_and_cleared_by_itself),
        TEST(records_in_any_order_give_one_result),
        TEST(without_memory_nothing_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
