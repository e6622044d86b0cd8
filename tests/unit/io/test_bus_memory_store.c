#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>

#include "bus_memory_store.h"

static struct bus_store_result put(struct memory_store *store, const char *subject, const char *id,
                                   uint64_t expect_last, const char *data)
{
    struct bus_store_request request = {
        .subject = subject, .message_id = id, .expect_last = expect_last, .data = slice_of(data)};
    struct bus_store_result result = memory_store_put(store, &request);

    assert_non_null(result.problem);
    return result;
}

static void the_oldest_go_first(void **state)
{
    struct memory_store store;
    char id[16];

    (void)state;
    memory_store_init(&store, 100); /* ten events of 10 bytes */
    assert_int_equal(put(&store, "ev.a", "a", 0, "123456").stream_seq, 1);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "b%u", i);
        assert_int_equal(put(&store, "ev.b", id, i ? i + 1 : 0, "123456").stream_seq, i + 2);
        assert_true(store.bytes <= 100);
    }
    assert_null(memory_store_last(&store, "ev.a"));
    assert_int_equal(memory_store_last(&store, "ev.b")->seq, 11);
    assert_null(memory_store_at(&store, "ev.a", 1));
    assert_null(memory_store_at(&store, "ev.b", 1));
    for (uint64_t seq = 2; seq <= 11; seq++)
        assert_int_equal(memory_store_at(&store, "ev.b", seq)->seq, seq);
    assert_null(memory_store_at(&store, "ev.a", 11));
    assert_null(memory_store_at(&store, "ev.b", 12));
    /* Its subject is empty again, its id is still known. */
    assert_int_equal(put(&store, "ev.a", "a", 0, "x").status, BUS_DUPLICATE);
    assert_int_equal(put(&store, "ev.a", "a2", 1, "x").status, BUS_FENCED);
    assert_int_equal(put(&store, "ev.a", "a2", 0, "x").status, BUS_STORED);
    memory_store_fini(&store);
}

static void what_fits_nowhere_is_refused(void **state)
{
    struct memory_store store;

    (void)state;
    memory_store_init(&store, 10);
    assert_int_equal(put(&store, "ev.a", "1", 0, "1234567").status, BUS_REFUSED);
    assert_null(memory_store_at(&store, "ev.a", 1));
    assert_int_equal(put(&store, "ev.a", "2", 0, "123456").status, BUS_STORED);
    assert_int_equal(put(&store, "ev.b", "3", 0, "123456").status, BUS_STORED);
    assert_null(memory_store_last(&store, "ev.a"));
    assert_int_equal(put(&store, "ev.b", "1", 2, "").status, BUS_STORED); /* the refused id is not known */
    memory_store_fini(&store);
}

static void ids_are_forgotten_in_order(void **state)
{
    struct memory_store store;
    uint64_t last = 0;
    char id[16];

    (void)state;
    memory_store_init(&store, 1 << 20);
    for (unsigned i = 0; i <= MEMORY_STORE_IDS_MAX; i++) {
        snprintf(id, sizeof id, "%u", i);
        struct bus_store_result result = put(&store, "ev.a", id, last, "x");
        assert_int_equal(result.status, BUS_STORED);
        last = result.stream_seq;
    }
    assert_int_equal(HASH_COUNT(store.ids), MEMORY_STORE_IDS_MAX);
    struct bus_store_result known = put(&store, "ev.a", "1", last, "x");
    assert_int_equal(known.status, BUS_DUPLICATE);
    assert_int_equal(known.stream_seq, 2);
    assert_int_equal(put(&store, "ev.a", "0", last, "x").status, BUS_STORED);
    memory_store_fini(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_go_first),
        cmocka_unit_test(what_fits_nowhere_is_refused),
        cmocka_unit_test(ids_are_forgotten_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
