#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>

#include <roomcast/base/random.h>

#include "stream_table.h"

static void stream_table_counts_what_is_in_the_lanes(void **state)
{
    (void)state;
    struct stream_table table = {.entries = NULL};
    struct stream_entry *one = stream_table_add(&table, "1-0", ENTRY_IN_LANES, 100);
    struct stream_entry *two = stream_table_add(&table, "2-0", ENTRY_IN_LANES, 50);

    assert_non_null(one);
    assert_non_null(two);
    assert_non_null(stream_table_add(&table, "3-0", ENTRY_FINISHED, 0));
    assert_int_equal(table.count, 3);
    assert_int_equal(table.in_lanes, 2);
    assert_int_equal(table.bytes_in_lanes, 150);
    stream_table_settle(&table, one, ENTRY_FINISHED);
    assert_int_equal(table.bytes_in_lanes, 50);
    assert_true(stream_table_has(&table, "1-0"));
    assert_false(stream_table_has(&table, "4-0"));
    stream_table_fini(&table);
}

static void stream_table_keeps_what_was_not_acknowledged(void **state)
{
    (void)state;
    struct stream_table table = {.entries = NULL};
    const char *ids[2];
    char id[16];

    for (unsigned i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "%u-0", i);
        assert_non_null(stream_table_add(&table, id, ENTRY_FINISHED, 0));
    }
    struct stream_entry *forgotten = stream_table_add(&table, "9-0", ENTRY_IN_LANES, 1);
    stream_table_settle(&table, forgotten, ENTRY_FORGOTTEN);
    struct stream_entry *refused = stream_table_add(&table, "8-0", ENTRY_IN_LANES, 1);
    stream_table_settle(&table, refused, ENTRY_REFUSED);

    assert_int_equal(stream_table_finished(&table, ids, 2), 2);
    char first[16], second[16];
    snprintf(first, sizeof first, "%s", ids[0]);
    snprintf(second, sizeof second, "%s", ids[1]);
    stream_table_sweep(&table, 2); /* exactly those two, and the forgotten one */
    assert_false(stream_table_has(&table, first));
    assert_false(stream_table_has(&table, second));
    assert_false(stream_table_has(&table, "9-0"));
    assert_true(stream_table_has(&table, "8-0"));
    assert_int_equal(table.count, 4);
    stream_table_sweep(&table, 0);
    assert_int_equal(table.count, 4);
    stream_table_fini(&table);
    assert_int_equal(table.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_table_counts_what_is_in_the_lanes),
        cmocka_unit_test(stream_table_keeps_what_was_not_acknowledged),
    };
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
