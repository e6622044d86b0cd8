#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include <roomcast/base/random.h>

static void random_init_again_is_harmless(void **state)
{
    (void)state;
    assert_int_equal(random_init(), ERR_OK);
    assert_int_equal(random_init(), ERR_OK);
}

static void random_below_stays_below_and_reaches_every_value(void **state)
{
    (void)state;
    int seen[6] = {0};

    for (int i = 0; i < 6000; i++)
        seen[random_below(6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(seen[i], 700, 1300);
    assert_int_equal(random_below(1), 0);
}

static void random_text_has_the_asked_length_and_alphabet(void **state)
{
    (void)state;
    char a[33], b[33], none[1] = "x";

    random_text(a, 32);
    random_text(b, 32);
    random_text(none, 0);
    assert_int_equal(strlen(a), 32);
    assert_int_equal(strspn(a, "0123456789abcdefghijklmnopqrstuvwxyz"), 32);
    assert_string_not_equal(a, b);
    assert_string_equal(none, "");
}

static void random_bytes_writes_only_the_asked_bytes(void **state)
{
    (void)state;
    unsigned char bytes[40] = {0}, zero[32] = {0};

    random_bytes(bytes, 32);
    assert_memory_not_equal(bytes, zero, 32);
    assert_memory_equal(bytes + 32, zero, 8);
}

static void wipe_zeroes(void **state)
{
    (void)state;
    char secret[] = "hunter2";

    wipe(secret, sizeof secret);
    assert_memory_equal(secret, "\0\0\0\0\0\0\0", sizeof secret);
}

static void secret_equal_compares_length_and_contents(void **state)
{
    (void)state;
    assert_true(secret_equal("key", 3, "key", 3));
    assert_true(secret_equal("", 0, "", 0));
    assert_false(secret_equal("key", 3, "kez", 3));
    assert_false(secret_equal("key", 3, "keys", 4));
}

static void a_secret_is_copied_with_a_nul_behind_it(void **state)
{
    (void)state;
    char *secret = secret_copy("hunter2 and more", 7), *empty = secret_copy(NULL, 0);

    assert_string_equal(secret, "hunter2");
    assert_string_equal(empty, "");
    assert_null(secret_copy("", SIZE_MAX));
    secret_free(&secret);
    secret_free(&empty);
    assert_null(secret);
    secret_free(&secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_init_again_is_harmless),
        cmocka_unit_test(random_below_stays_below_and_reaches_every_value),
        cmocka_unit_test(random_text_has_the_asked_length_and_alphabet),
        cmocka_unit_test(random_bytes_writes_only_the_asked_bytes),
        cmocka_unit_test(wipe_zeroes),
        cmocka_unit_test(a_secret_is_copied_with_a_nul_behind_it),
        cmocka_unit_test(secret_equal_compares_length_and_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
