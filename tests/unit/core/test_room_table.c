/* The table of objects by their room keys, against a naive array, and with memory refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/random.h>
#include <roomcast/core/room_table.h>

#include "failing_alloc.h"
#include "room_table.c"
#include "seeded.h"

#define OBJECTS 3000

struct object {
    struct room_entry entry; /* first */
    struct room_key key;
    bool is_in;
};

static struct object objects[OBJECTS];

static void name_objects(void)
{
    memset(objects, 0, sizeof objects);
    for (unsigned i = 0; i < OBJECTS; i++) {
        char name[16];
        snprintf(name, sizeof name, "user-%u", i);
        assert_int_equal(room_key_for_user(slice_of(name), &objects[i].key), ERR_OK);
        objects[i].entry.key = (const char *)&objects[i].key;
    }
}

static void start_table(struct room_table *table)
{
    name_objects();
    assert_int_equal(room_table_init(table), ERR_OK);
}

static void add(struct room_table *table, struct object *object)
{
    room_table_add(table, &object->entry);
    object->is_in = true;
}

static void take_out(struct room_table *table, struct object *object)
{
    room_table_remove(table, &object->entry);
    object->is_in = false;
}

static void assert_holds_what_is_in(const struct room_table *table)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < OBJECTS; i++) {
        assert_ptr_equal(room_table_find(table, &objects[i].key),
                         objects[i].is_in ? &objects[i].entry : NULL);
        count += objects[i].is_in;
    }
    assert_int_equal(table->count, count);
}

static uint32_t longest_chain(const struct room_table *table)
{
    uint32_t longest = 0;

    for (uint32_t i = 0; i < table->size; i++) {
        uint32_t length = 0;
        for (const struct room_entry *entry = table->buckets[i]; entry; entry = entry->next)
            length++;
        longest = length > longest ? length : longest;
    }
    return longest;
}

static void empty_table_finds_nothing(void **state)
{
    (void)state;
    struct room_table table;

    start_table(&table);
    assert_holds_what_is_in(&table);
    room_table_fini(&table, NULL);
    room_table_fini(&table, NULL);
}

static void keys_are_told_apart_by_route_and_by_length(void **state)
{
    (void)state;
    struct room_table table;
    struct room_key chat;

    start_table(&table);
    chat = objects[1].key; /* user-1; user-10 is another */
    chat.route = ROUTE_TO_CHAT;
    add(&table, &objects[1]);
    assert_null(room_table_find(&table, &chat));
    assert_null(room_table_find(&table, &objects[10].key));
    take_out(&table, &objects[1]);
    room_table_fini(&table, NULL);
}

static void agrees_with_a_naive_array_while_it_grows_and_empties(void **state)
{
    (void)state;
    struct room_table table;
    uint64_t seed = 11;

    start_table(&table);
    for (unsigned step = 0; step < 60000; step++) {
        struct object *object = &objects[seeded_below(&seed, OBJECTS)];
        bool fills = step < 30000; /* then it empties */
        if (!object->is_in && (fills || seeded_below(&seed, 4) == 0))
            add(&table, object);
        else if (object->is_in && (!fills || seeded_below(&seed, 4) == 0))
            take_out(&table, object);
        if (step % 997 == 0)
            assert_holds_what_is_in(&table);
    }
    assert_holds_what_is_in(&table);
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (objects[i].is_in)
            take_out(&table, &objects[i]);
    }
    room_table_fini(&table, NULL);
}

static void one_addition_moves_the_entries_of_one_bucket_only(void **state)
{
    (void)state;
    struct room_table table;

    start_table(&table);
    for (unsigned i = 0; i < OBJECTS; i++) {
        uint32_t size = table.size;
        add(&table, &objects[i]);
        assert_true(table.size <= size + 1);
    }
    assert_true(table.size * ENTRIES_PER_BUCKET >= OBJECTS);
    assert_true(longest_chain(&table) < 20); /* not by luck: a hash of 2 entries a bucket on average */
    for (unsigned i = 0; i < OBJECTS; i++)
        take_out(&table, &objects[i]);
    room_table_fini(&table, NULL);
}

static void without_memory_for_buckets_nothing_is_lost(void **state)
{
    (void)state;
    struct room_table table;

    for (size_t k = 1; k <= 4; k++) {
        start_table(&table);
        alloc_fail(k);
        for (unsigned i = 0; i < OBJECTS; i++)
            add(&table, &objects[i]);
        assert_true(alloc_failed);
        alloc_fail(0);
        assert_holds_what_is_in(&table);
        for (unsigned i = 0; i < OBJECTS; i++)
            take_out(&table, &objects[i]);
        room_table_fini(&table, NULL);
    }
    alloc_fail(1);
    assert_int_equal(room_table_init(&table), ERR_NO_MEMORY);
    alloc_fail(0);
    assert_int_equal(alloc_live, 0);
}

static unsigned freed;

static void note_freed(struct room_entry *entry)
{
    ((struct object *)entry)->is_in = false;
    freed++;
}

static void fini_hands_out_every_entry_once(void **state)
{
    (void)state;
    struct room_table table;

    start_table(&table);
    for (unsigned i = 0; i < 100; i++)
        add(&table, &objects[i]);
    freed = 0;
    room_table_fini(&table, note_freed);
    assert_int_equal(freed, 100);
    for (unsigned i = 0; i < 100; i++)
        assert_false(objects[i].is_in);
    assert_int_equal(alloc_live, 0);
}

static int start(void **state)
{
    (void)state;
    return random_init() == ERR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_table_finds_nothing),
        cmocka_unit_test(keys_are_told_apart_by_route_and_by_length),
        cmocka_unit_test(agrees_with_a_naive_array_while_it_grows_and_empties),
        cmocka_unit_test(one_addition_moves_the_entries_of_one_bucket_only),
        cmocka_unit_test(without_memory_for_buckets_nothing_is_lost),
        cmocka_unit_test(fini_hands_out_every_entry_once),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
