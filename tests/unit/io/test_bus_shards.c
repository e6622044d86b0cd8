#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "bus_shards.h"

static struct bus_shards make(unsigned count)
{
    struct bus_shards shards;

    assert_int_equal(bus_shards_init(&shards, "p", "events_1", count), ERR_OK);
    return shards;
}

static void check_place(const struct bus_shards *shards, const char *subject, const char *wanted)
{
    char *place = bus_shards_place(shards, bus_shards_find(shards, subject), subject);

    assert_non_null(place);
    assert_string_equal(place, wanted);
    free(place);
}

static void one_stream_has_the_names_it_always_had(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= 1; count++) {
        struct bus_shards shards = make(count);
        char all[32];
        assert_int_equal(shards.count, 1);
        assert_string_equal(shards.streams[0], "events_1");
        check_place(&shards, "p.ev.chat.1", "p.ev.chat.1");
        check_place(&shards, "p.ev.relay.lease", "p.ev.relay.lease");
        bus_shards_format_all(&shards, 0, all, sizeof all);
        assert_string_equal(all, "p.ev.>");
        bus_shards_fini(&shards);
    }
}

static void streams_say_which_of_how_many_they_are(void **state)
{
    (void)state;
    struct bus_shards shards = make(64);
    char all[32];

    assert_string_equal(shards.streams[0], "events_1_0of64");
    assert_string_equal(shards.streams[63], "events_1_63of64");
    bus_shards_format_all(&shards, 63, all, sizeof all);
    assert_string_equal(all, "p.ev.63.>");
    bus_shards_fini(&shards);
}

/* Computed by an implementation of SipHash-2-4 of its own. They must never change: who reads a room would
 * look for it in another stream than who stored it. */
static void the_stream_of_a_room_is_the_same_for_all_time(void **state)
{
    (void)state;
    static const struct {
        const char *rest;
        unsigned of_2, of_3, of_16, of_64;
    } rows[] = {
        {"chat.6f1c2b7a-58d3-4e09-9c1e-0d2f4a6b8c1d", 0, 2, 8, 8},
        {"chat.00000000-0000-4000-8000-000000000001", 1, 1, 11, 27},
        {"chat.00000000-0000-4000-8000-000000000002", 0, 2, 6, 38},
        {"user.anna", 0, 2, 4, 20},
        {"user.a=2Eb=20=2A=3E=3D=C3=BC", 1, 2, 11, 11},
        {"relay.lease", 0, 2, 2, 50},
    };
    struct bus_shards two = make(2), three = make(3), sixteen = make(16), most = make(64);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char subject[96], place[96];
        snprintf(subject, sizeof subject, "p.ev.%s", rows[i].rest);
        assert_int_equal(bus_shards_find(&two, subject), rows[i].of_2);
        assert_int_equal(bus_shards_find(&three, subject), rows[i].of_3);
        assert_int_equal(bus_shards_find(&sixteen, subject), rows[i].of_16);
        assert_int_equal(bus_shards_find(&most, subject), rows[i].of_64);
        snprintf(place, sizeof place, "p.ev.%u.%s", rows[i].of_64, rows[i].rest);
        check_place(&most, subject, place);
    }
    bus_shards_fini(&two);
    bus_shards_fini(&three);
    bus_shards_fini(&sixteen);
    bus_shards_fini(&most);
}

static void what_is_no_event_stays_where_it_is(void **state)
{
    (void)state;
    struct bus_shards shards = make(16);

    check_place(&shards, "p.live.chat.1", "p.live.chat.1");
    check_place(&shards, "q.ev.chat.1", "q.ev.chat.1");
    check_place(&shards, "", "");
    bus_shards_fini(&shards);
}

/* 64,000 rooms, 1,000 expected in each: 5 standard deviations are 157. */
static void rooms_are_spread_evenly(void **state)
{
    (void)state;
    enum { ROOMS = 64000, COUNT = 64 };
    struct bus_shards shards = make(COUNT);
    unsigned rooms[COUNT] = {0};

    for (unsigned i = 0; i < ROOMS; i++) {
        char subject[32];
        snprintf(subject, sizeof subject, "p.ev.chat.%u", i);
        rooms[bus_shards_find(&shards, subject)]++;
    }
    for (unsigned i = 0; i < COUNT; i++)
        assert_in_range(rooms[i], ROOMS / COUNT - 157, ROOMS / COUNT + 157);
    bus_shards_fini(&shards);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stream_has_the_names_it_always_had),
        cmocka_unit_test(streams_say_which_of_how_many_they_are),
        cmocka_unit_test(the_stream_of_a_room_is_the_same_for_all_time),
        cmocka_unit_test(what_is_no_event_stays_where_it_is),
        cmocka_unit_test(rooms_are_spread_evenly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
