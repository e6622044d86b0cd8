#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "layout.h"
#include "marker.h"
#include "tally.h"

static void a_marker_survives_the_way_through_a_payload(void **state)
{
    (void)state;
    const struct marker sent = {
        .room = 0xabcdef, .number = 0x12345678, .slot = 0xfedc, .time_ns = 0x0123456789abcdef};
    struct marker_hint hint = {0};
    struct marker found;
    char text[100] = "{\"data\":\"";
    size_t offset = 0;

    marker_fill(&sent, text + 9, 60);
    assert_true(marker_find((struct slice){text, sizeof text}, &offset, &hint, &found));
    assert_int_equal(found.room, sent.room);
    assert_int_equal(found.number, sent.number);
    assert_int_equal(found.slot, sent.slot);
    assert_true(found.time_ns == sent.time_ns);
    assert_int_equal(offset, 9 + MARKER_LEN);
    assert_int_equal(hint.offset, 9);
}

static void several_markers_in_one_frame_are_all_found(void **state)
{
    (void)state;
    struct marker_hint hint = {.offset = 3};
    struct marker found;
    char text[3 * 60];
    size_t offset = 0;

    for (uint32_t i = 0; i < 3; i++)
        marker_fill(&(struct marker){.number = i + 1}, text + 60 * i, 60);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(marker_find((struct slice){text, sizeof text}, &offset, &hint, &found));
        assert_int_equal(found.number, i + 1);
    }
    assert_false(marker_find((struct slice){text, sizeof text}, &offset, &hint, &found));
}

static void a_cut_marker_is_none(void **state)
{
    (void)state;
    struct marker_hint hint = {0};
    struct marker found;
    char text[MARKER_LEN];

    marker_fill(&(struct marker){.number = 1}, text, sizeof text);
    for (size_t len = 0; len < sizeof text; len++) {
        size_t offset = 0;
        assert_false(marker_find((struct slice){text, len}, &offset, &hint, &found));
    }
}

static void the_tally_tells_lost_late_and_doubled_apart(void **state)
{
    (void)state;
    struct tally tally = {0};

    assert_int_equal(tally_take(&tally, 1), TALLY_IN_ORDER);
    assert_int_equal(tally_take(&tally, 4), TALLY_IN_ORDER);
    assert_int_equal(tally.missing, 2);
    assert_int_equal(tally_take(&tally, 3), TALLY_LATE);
    assert_int_equal(tally_take(&tally, 3), TALLY_DUPLICATE);
    assert_int_equal(tally_take(&tally, 4), TALLY_DUPLICATE);
    assert_int_equal(tally.missing, 1);
    assert_int_equal(tally_take(&tally, 2), TALLY_LATE);
    assert_int_equal(tally.missing, 0);
    assert_int_equal(tally_take(&tally, 200), TALLY_IN_ORDER);
    assert_int_equal(tally.missing, 195);
    assert_int_equal(tally_take(&tally, 1), TALLY_DUPLICATE);
}

static void every_membership_is_found_from_its_connection_and_room(void **state)
{
    (void)state;
    static const struct layout layouts[] = {{3, 4, 12, 0}, {5, 4, 6, 0}, {7, 3, 3, 0}, {2, 5, 50, 0}};
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        const struct layout *layout = &layouts[i];
        uint32_t found = 0;
        for (uint32_t room = 0; room < layout->rooms; room++)
            for (uint32_t connection = 0; connection < layout->connections; connection++) {
                uint32_t membership = layout_membership(layout, connection, room);
                if (membership == LAYOUT_NONE)
                    continue;
                assert_int_equal(membership % layout->connections, connection);
                assert_int_equal(membership / layout->members, room);
                found++;
            }
        assert_int_equal(found, layout_memberships(layout));
        assert_int_equal(layout_membership(layout, 0, layout->rooms), LAYOUT_NONE);
    }
}

static void a_rooms_name_leads_back_to_it(void **state)
{
    (void)state;
    const struct layout layout = {.run = 0xdeadbeef};
    char name[UUID_TEXT_SIZE];
    struct uuid uuid;

    layout_room_name(&layout, 123456, name);
    assert_int_equal(uuid_parse(slice_of(name), &uuid), ERR_OK);
    assert_int_equal(layout_room_of(name), 123456);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_marker_survives_the_way_through_a_payload),
        cmocka_unit_test(several_markers_in_one_frame_are_all_found),
        cmocka_unit_test(a_cut_marker_is_none),
        cmocka_unit_test(the_tally_tells_lost_late_and_doubled_apart),
        cmocka_unit_test(every_membership_is_found_from_its_connection_and_room),
        cmocka_unit_test(a_rooms_name_leads_back_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
