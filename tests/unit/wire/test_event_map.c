#include "wire_test.h"

#include <roomcast/wire/event_map.h>

static void built_in_rows_follow_the_protocol(void **state)
{
    (void)state;
    static const struct event_rule documented[] = {
        {"MessagePosted", "chat.message.posted", ROUTE_TO_CHAT},
        {"message.created", "chat.message.posted", ROUTE_TO_CHAT},
        {"StatusChanged", "task.updated", ROUTE_TO_CHAT},
        {"chat.status_changed", "chat.status_changed", ROUTE_TO_CHAT},
        {"task.assigned", "task.updated", ROUTE_TO_CHAT},
        {"chat.reopened", "chat.reopened", ROUTE_TO_CHAT},
        {"NotificationCreated", "notification.new", ROUTE_TO_USER},
        {"notification.created", "notification.new", ROUTE_TO_USER},
    };
    struct event_map *map;

    assert_int_equal(event_map_new(NULL, 0, &map), ERR_OK);
    for (size_t i = 0; i < COUNT(documented); i++) {
        const struct event_rule *rule = event_map_find(map, slice_of(documented[i].event));
        assert_non_null(rule);
        assert_string_equal(rule->type, documented[i].type);
        assert_int_equal(rule->route, documented[i].route);
    }
    event_map_free(&map);
    assert_null(map);
}

static void an_event_without_a_row_is_not_guessed(void **state)
{
    (void)state;
    struct event_map *map;

    assert_int_equal(event_map_new(NULL, 0, &map), ERR_OK);
    assert_null(event_map_find(map, SLICE_LITERAL("messageposted")));
    assert_null(event_map_find(map, SLICE_LITERAL("MessagePoste")));
    assert_null(event_map_find(map, SLICE_LITERAL("MessagePosted ")));
    assert_null(event_map_find(map, SLICE_LITERAL("MessagePosted\0")));
    assert_null(event_map_find(map, SLICE_LITERAL("")));
    assert_null(event_map_find(map, (struct slice){NULL, 0}));
    event_map_free(&map);
}

static void rows_of_the_operator_are_added_and_win_and_are_copied(void **state)
{
    (void)state;
    char event[] = "invoice.paid";
    struct event_rule extra[] = {
        {event, "first", ROUTE_TO_CHAT},
        {"MessagePosted", "message", ROUTE_TO_USER},
        {"invoice.paid", "invoice.paid", ROUTE_TO_USER},
    };
    struct event_map *map;

    assert_int_equal(event_map_new(extra, COUNT(extra), &map), ERR_OK);
    memset(event, 'x', sizeof event - 1);
    const struct event_rule *paid = event_map_find(map, SLICE_LITERAL("invoice.paid"));
    assert_non_null(paid);
    assert_string_equal(paid->type, "invoice.paid");
    assert_int_equal(paid->route, ROUTE_TO_USER);
    assert_string_equal(event_map_find(map, SLICE_LITERAL("MessagePosted"))->type, "message");
    assert_string_equal(event_map_find(map, SLICE_LITERAL("message.posted"))->type, "chat.message.posted");
    event_map_free(&map);
}

static void freeing_nothing_is_harmless(void **state)
{
    (void)state;
    struct event_map *map = NULL;

    event_map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_rows_follow_the_protocol),
        cmocka_unit_test(an_event_without_a_row_is_not_guessed),
        cmocka_unit_test(rows_of_the_operator_are_added_and_win_and_are_copied),
        cmocka_unit_test(freeing_nothing_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
