/* Keys, memory given back and memory refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/random.h>
#include <roomcast/core/user_quota.h>

#include "failing_alloc.h"
#include "seeded.h"
#include "user_quota.c"

static struct room_key user_named(const char *name)
{
    struct room_key key;

    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static struct room_key user_number(unsigned number)
{
    char name[16];

    snprintf(name, sizeof name, "user-%u", number);
    return user_named(name);
}

static struct user_quota *quota_of(uint32_t limit)
{
    struct user_quota *quota = NULL;

    assert_int_equal(user_quota_new(limit, &quota), ERR_OK);
    return quota;
}

static void limit_of_none_refuses_the_first(void **state)
{
    (void)state;
    struct user_quota *quota = quota_of(0);
    struct room_key anna = user_named("anna");

    assert_int_equal(user_quota_take(quota, &anna), ERR_BUSY);
    assert_int_equal(user_quota_count(quota, &anna), 0);
    user_quota_free(&quota);
}

static void users_do_not_count_for_each_other_however_alike_their_keys(void **state)
{
    (void)state;
    struct user_quota *quota = quota_of(1);
    struct room_key keys[] = {user_named("a"), user_named("aa"), user_named("A"), user_named("a ")};
    struct room_key chat = user_named("a");

    chat.route = ROUTE_TO_CHAT;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        assert_int_equal(user_quota_take(quota, &keys[i]), ERR_OK);
    assert_int_equal(user_quota_take(quota, &chat), ERR_OK);
    assert_int_equal(user_quota_take(quota, &keys[0]), ERR_BUSY);
    user_quota_free(&quota);
}

static void last_give_forgets_the_user_and_its_memory(void **state)
{
    (void)state;
    struct user_quota *quota = quota_of(2);
    size_t before = alloc_live;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 500; i++) {
            struct room_key user = user_number(i);
            assert_int_equal(user_quota_take(quota, &user), ERR_OK);
        }
    }
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 500; i++) {
            struct room_key user = user_number(i);
            user_quota_give(quota, &user);
            assert_int_equal(user_quota_count(quota, &user), 1 - round);
        }
    }
    assert_int_equal(alloc_live, before);
    user_quota_free(&quota);
}

static void free_takes_users_with_it_and_accepts_null(void **state)
{
    (void)state;
    size_t before = alloc_live;
    struct user_quota *quota = quota_of(2);

    for (unsigned i = 0; i < 100; i++) {
        struct room_key user = user_number(i);
        assert_int_equal(user_quota_take(quota, &user), ERR_OK);
    }
    user_quota_free(&quota);
    assert_null(quota);
    user_quota_free(&quota);
    assert_int_equal(alloc_live, before);
}

static void counts_agree_with_a_naive_array(void **state)
{
    (void)state;
    enum { USERS = 200, LIMIT = 4 };
    uint32_t counts[USERS] = {0};
    struct user_quota *quota = quota_of(LIMIT);
    uint64_t seed = 7;

    for (int step = 0; step < 50000; step++) {
        unsigned number = (unsigned)seeded_below(&seed, USERS);
        struct room_key user = user_number(number);
        if (seeded_below(&seed, 2)) {
            enum err expected = counts[number] < LIMIT ? ERR_OK : ERR_BUSY;
            assert_int_equal(user_quota_take(quota, &user), expected);
            counts[number] += expected == ERR_OK;
        } else if (counts[number] > 0) {
            user_quota_give(quota, &user);
            counts[number]--;
        }
        assert_int_equal(user_quota_count(quota, &user), counts[number]);
    }
    user_quota_free(&quota);
}

/* Enough users for the table to grow; every allocation on the way fails once. */
static void take_without_memory_counts_nothing_and_loses_nobody(void **state)
{
    (void)state;
    enum { USERS = 400 };
    size_t before = alloc_live;
    bool failed = true;

    for (size_t k = 1; failed; k++) {
        struct user_quota *quota = NULL;
        unsigned refused = 0;
        alloc_fail(k);
        if (user_quota_new(1, &quota) != ERR_OK) {
            assert_null(quota);
            quota = quota_of(1);
            refused++;
        }
        for (unsigned i = 0; i < USERS; i++) {
            struct room_key user = user_number(i);
            if (user_quota_take(quota, &user) == ERR_OK)
                continue;
            refused++;
            assert_int_equal(user_quota_count(quota, &user), 0);
            assert_int_equal(user_quota_take(quota, &user), ERR_OK);
        }
        failed = alloc_failed;
        alloc_fail(0);
        assert_int_equal(refused, failed);
        for (unsigned i = 0; i < USERS; i++) {
            struct room_key user = user_number(i);
            assert_int_equal(user_quota_count(quota, &user), 1);
        }
        user_quota_free(&quota);
        assert_int_equal(alloc_live, before);
    }
}

static int start(void **state)
{
    (void)state;
    return random_init() == ERR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_of_none_refuses_the_first),
        cmocka_unit_test(users_do_not_count_for_each_other_however_alike_their_keys),
        cmocka_unit_test(last_give_forgets_the_user_and_its_memory),
        cmocka_unit_test(free_takes_users_with_it_and_accepts_null),
        cmocka_unit_test(counts_agree_with_a_naive_array),
        cmocka_unit_test(take_without_memory_counts_nothing_and_loses_nobody),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
