#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/base/random.h>
#include <roomcast/core/user_quota.h>

static struct room_key user(const char *name)
{
    struct room_key key;
    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static void each_user_has_a_limit_of_their_own(void **state)
{
    (void)state;
    struct user_quota *quota;
    struct room_key anna = user("anna"), bert = user("bert");
    assert_int_equal(user_quota_new(2, &quota), ERR_OK);
    assert_int_equal(user_quota_take(quota, &anna), ERR_OK);
    assert_int_equal(user_quota_take(quota, &anna), ERR_OK);
    assert_int_equal(user_quota_take(quota, &anna), ERR_BUSY);
    assert_int_equal(user_quota_take(quota, &bert), ERR_OK);
    assert_int_equal(user_quota_count(quota, &anna), 2);
    user_quota_free(&quota);
    assert_null(quota);
}

static void what_is_given_back_can_be_taken_again(void **state)
{
    (void)state;
    struct user_quota *quota;
    struct room_key anna = user("anna");
    assert_int_equal(user_quota_new(1, &quota), ERR_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(user_quota_take(quota, &anna), ERR_OK);
        user_quota_give(quota, &anna);
    }
    assert_int_equal(user_quota_count(quota, &anna), 0);
    user_quota_free(&quota);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_user_has_a_limit_of_their_own),
        cmocka_unit_test(what_is_given_back_can_be_taken_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
