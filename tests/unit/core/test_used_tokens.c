#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/core/used_tokens.h>

#include "failing_alloc.h"
#include "seeded.h"
#include "used_tokens.c"

#define LIMIT 1000u
#define ALL   LIMIT

static struct used_tokens *tokens;

static int start(void **state)
{
    (void)state;
    return used_tokens_new(LIMIT, &tokens) == ERR_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    used_tokens_free(&tokens);
    return tokens || alloc_live != 0 ? -1 : 0;
}

static const unsigned char *id_of(unsigned number)
{
    static unsigned char id[TOKEN_USE_ID_BYTES];
    id[0] = (unsigned char)number;
    id[TOKEN_USE_ID_BYTES - 1] = (unsigned char)(number >> 8);
    return id;
}

static enum err add(unsigned number, uint64_t until_s)
{
    return used_tokens_add(tokens, id_of(number), until_s);
}

static void a_token_is_taken_once(void **state)
{
    (void)state;
    assert_int_equal(add(1, 10), ERR_OK);
    assert_int_equal(add(1, 10), ERR_FORBIDDEN);
    assert_int_equal(add(1, 99), ERR_FORBIDDEN);
    assert_int_equal(add(2, 10), ERR_OK);
    assert_int_equal(add(256 + 1, 10), ERR_OK); /* which differs in the last byte */
    assert_int_equal(used_tokens_count(tokens), 3);
}

static void a_token_is_forgotten_at_its_time_and_not_before(void **state)
{
    (void)state;
    assert_int_equal(add(1, 10), ERR_OK);
    used_tokens_expire(tokens, 9, ALL);
    assert_int_equal(add(1, 10), ERR_FORBIDDEN);
    used_tokens_expire(tokens, 10, ALL);
    assert_int_equal(used_tokens_count(tokens), 0);
    assert_int_equal(add(1, 20), ERR_OK);
}

static void so_many_are_forgotten_at_once_and_the_earliest_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(add(i, 10 + (i * 5) % 6), ERR_OK); /* 10 15 14 13 12 11 */
    used_tokens_expire(tokens, 100, 2);
    assert_int_equal(used_tokens_count(tokens), 4);
    assert_int_equal(add(0, 10), ERR_OK);
    assert_int_equal(add(5, 11), ERR_OK);
    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(add(i, 100), ERR_FORBIDDEN);
}

static void a_token_that_is_removed_may_come_again(void **state)
{
    (void)state;
    used_tokens_remove(tokens, id_of(1));
    assert_int_equal(add(1, 10), ERR_OK);
    assert_int_equal(add(2, 5), ERR_OK);
    used_tokens_remove(tokens, id_of(1));
    used_tokens_remove(tokens, id_of(1));
    assert_int_equal(used_tokens_count(tokens), 1);
    assert_int_equal(add(1, 10), ERR_OK);
    assert_int_equal(add(2, 10), ERR_FORBIDDEN);
}

static void a_token_that_is_kept_stays_until_its_time_though_it_is_removed(void **state)
{
    (void)state;
    used_tokens_keep(tokens, id_of(1)); /* there is none */
    assert_int_equal(add(1, 10), ERR_OK);
    used_tokens_keep(tokens, id_of(1));
    used_tokens_remove(tokens, id_of(1));
    assert_int_equal(add(1, 10), ERR_FORBIDDEN);
    used_tokens_expire(tokens, 10, ALL);
    assert_int_equal(add(1, 20), ERR_OK);
    used_tokens_remove(tokens, id_of(1)); /* kept was the one before */
    assert_int_equal(add(1, 20), ERR_OK);
}

static void a_full_table_takes_no_more_and_forgets_nothing(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LIMIT; i++)
        assert_int_equal(add(i, 10 + i), ERR_OK);
    assert_int_equal(add(LIMIT, 5000), ERR_BUSY);
    assert_int_equal(add(0, 5000), ERR_FORBIDDEN);
    for (unsigned i = 0; i < LIMIT; i++)
        assert_int_equal(add(i, 5000), ERR_FORBIDDEN);
    used_tokens_expire(tokens, 10, ALL);
    assert_int_equal(add(LIMIT, 5000), ERR_OK);
    assert_int_equal(add(LIMIT + 1, 5000), ERR_BUSY);
}

/* Against a plain array of what must be there. */
static void run(uint64_t seed)
{
    enum { KINDS = 300 };
    uint64_t until[KINDS] = {0}, now_s = 1; /* 0: not there */
    assert_int_equal(used_tokens_new(LIMIT, &tokens), ERR_OK);
    for (unsigned step = 0; step < 4000; step++) {
        unsigned number = (unsigned)seeded_below(&seed, KINDS);
        switch (seeded_below(&seed, 4)) {
        case 0:
            used_tokens_remove(tokens, id_of(number));
            until[number] = 0;
            break;
        case 1:
            now_s += seeded_below(&seed, 3);
            used_tokens_expire(tokens, now_s, ALL);
            for (unsigned i = 0; i < KINDS; i++)
                until[i] = until[i] <= now_s ? 0 : until[i];
            break;
        default: {
            uint64_t until_s = now_s + 1 + seeded_below(&seed, 200);
            assert_int_equal(add(number, until_s), until[number] ? ERR_FORBIDDEN : ERR_OK);
            until[number] = until[number] ? until[number] : until_s;
        }
        }
        size_t count = 0;
        for (unsigned i = 0; i < KINDS; i++)
            count += until[i] != 0;
        assert_int_equal(used_tokens_count(tokens), count);
    }
    used_tokens_free(&tokens);
}

static void whatever_happens_in_whatever_order_exactly_the_living_are_known(void **state)
{
    (void)state;
    seeded_runs(20, run);
}

static void without_memory_nothing_is_changed(void **state)
{
    (void)state;
    struct used_tokens *none = NULL;
    alloc_fail(1);
    assert_int_equal(used_tokens_new(LIMIT, &none), ERR_NO_MEMORY);
    assert_null(none);
    for (unsigned number = 0; number < 300; number++) { /* through every growth */
        for (size_t k = 1;; k++) {
            alloc_fail(k);
            enum err err = add(number, 10);
            if (!alloc_failed) {
                assert_int_equal(err, ERR_OK);
                break;
            }
            assert_int_equal(err, ERR_NO_MEMORY);
            assert_int_equal(used_tokens_count(tokens), number);
        }
        assert_int_equal(add(number, 10), ERR_FORBIDDEN);
    }
    alloc_fail(0);
    used_tokens_expire(tokens, 10, ALL);
    assert_int_equal(used_tokens_count(tokens), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_token_is_taken_once),
        TEST(a_token_is_forgotten_at_its_time_and_not_before),
        TEST(so_many_are_forgotten_at_once_and_the_earliest_first),
        TEST(a_token_that_is_removed_may_come_again),
        TEST(a_token_that_is_kept_stays_until_its_time_though_it_is_removed),
        TEST(a_full_table_takes_no_more_and_forgets_nothing),
        cmocka_unit_test(whatever_happens_in_whatever_order_exactly_the_living_are_known),
        TEST(without_memory_nothing_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
