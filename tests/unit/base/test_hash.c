#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <roomcast/base/hash.h>
#include <roomcast/base/random.h>

struct entry {
    char key[16];
    int value;
    UT_hash_handle hh;
};

static void tables_find_what_was_put_in(void **state)
{
    (void)state;
    struct entry *table = NULL, *entry, *next;
    char key[16];

    for (int i = 0; i < 1000; i++) {
        entry = calloc(1, sizeof *entry);
        snprintf(entry->key, sizeof entry->key, "room-%d", i);
        entry->value = i;
        HASH_ADD_STR(table, key, entry);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "room-%d", i);
        HASH_FIND_STR(table, key, entry);
        assert_non_null(entry);
        assert_int_equal(entry->value, i);
    }
    HASH_FIND_STR(table, "room-1000", entry);
    assert_null(entry);
    HASH_ITER(hh, table, entry, next)
    {
        HASH_DEL(table, entry);
        free(entry);
    }
}

static void hash_is_stable_within_the_process_and_depends_on_every_byte(void **state)
{
    (void)state;
    assert_int_equal(hash_bytes("chat:42", 7), hash_bytes("chat:42", 7));
    assert_int_not_equal(hash_bytes("chat:42", 7), hash_bytes("chat:43", 7));
    assert_int_not_equal(hash_bytes("chat:42", 7), hash_bytes("chat:42", 6));
}

/* By the reference implementation of SipHash-2-4 with a key of zeros. They must never change: rooms would be
 * looked for in other streams than they are in. */
static void the_stable_hash_is_the_same_for_all_time(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t hash;
    } rows[] = {
        {"", UINT64_C(0x1e924b9d737700d7)},
        {"user.anna", UINT64_C(0x819a472805315314)},
        {"user.u_1-X", UINT64_C(0x0057337020e07076)},
        {"relay.lease", UINT64_C(0x9ffa3faa708252f2)},
        {"chat.6f1c2b7a-58d3-4e09-9c1e-0d2f4a6b8c1d", UINT64_C(0xeca717242b8b9108)},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_true(hash_stable_64(rows[i].text, strlen(rows[i].text)) == rows[i].hash);
}

/* The hash of a fixed key as a fresh process computes it: the key is made at the first use, so it must not
 * have been used here before. */
static unsigned hash_in_a_new_process(void)
{
    int ends[2];
    unsigned hash = 0;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        hash = hash_bytes("fixed", 5);
        _exit(write(ends[1], &hash, sizeof hash) == sizeof hash ? 0 : 1);
    }
    assert_int_equal(read(ends[0], &hash, sizeof hash), sizeof hash);
    waitpid(child, NULL, 0);
    close(ends[0]);
    close(ends[1]);
    return hash;
}

static void two_processes_hash_differently(void **state)
{
    (void)state;
    unsigned a = hash_in_a_new_process();
    unsigned b = hash_in_a_new_process();
    unsigned c = hash_in_a_new_process();

    assert_false(a == b && b == c);
}

static int start(void **state)
{
    (void)state;
    return random_init() == ERR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_processes_hash_differently),
        cmocka_unit_test(tables_find_what_was_put_in),
        cmocka_unit_test(the_stable_hash_is_the_same_for_all_time),
        cmocka_unit_test(hash_is_stable_within_the_process_and_depends_on_every_byte),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
