/* What operators are shown of the rooms. */
#include <string.h>

#include "hub_channel.h"
#include "hub_fixture.h"

static char shown[8192];

static const char *describe(unsigned room)
{
    struct room_key key = chat(room);
    struct buffer out;
    buffer_init(&out, sizeof shown - 1);
    hub_describe(world.hub, &key, &out);
    strcpy(shown, buffer_text(&out));
    buffer_fini(&out);
    return shown;
}

static const char *busiest(struct hub *hub, unsigned max)
{
    struct buffer out;
    buffer_init(&out, sizeof shown - 1);
    hub_busiest(hub, max, &out);
    strcpy(shown, buffer_text(&out));
    buffer_fini(&out);
    return shown;
}

static void fill(unsigned room, uint64_t count)
{
    for (uint64_t seq = 1; seq <= count; seq++) {
        publish(room, seq);
        expect_event(0, seq, true);
    }
}

static void a_room_is_described_by_its_place_members_and_events(void **state)
{
    (void)state;
    assert_string_equal(describe(1), ",\"followed\":false");
    join(0, 1, "anna");
    fill(1, 3);
    const char *text = describe(1);
    assert_non_null(strstr(text,
                           ",\"followed\":true,\"epoch\":\"e1\",\"seq\":3,\"settled\":true,\"gap\":false,"
                           "\"members\":1,"));
    assert_non_null(strstr(text, ",\"recent_events\":3"));
}

static void rooms_are_listed_by_deliveries_and_idle_ones_are_not(void **state)
{
    (void)state;
    assert_string_equal(busiest(world.hub, HUB_BUSIEST_MAX), "[]");
    join(0, 1, "anna"), join(0, 2, "anna"), join(0, 3, "anna");
    fill(1, 2), fill(2, 5);
    join(0, 1, "bert"), join(0, 1, "carl"); /* 2 events for 3 are more than 5 for 1 */
    const char *text = busiest(world.hub, HUB_BUSIEST_MAX);
    const char *first = strstr(text, "\"members\":3,\"events\":2,\"deliveries\":6,\"seconds\":10"),
               *second = strstr(text, "\"members\":1,\"events\":5,\"deliveries\":5,\"seconds\":10");
    assert_true(first && second && first < second);
    assert_null(strstr(second + 10, "members"));
    text = busiest(world.hub, 1);
    assert_non_null(strstr(text, "\"deliveries\":6"));
    assert_null(strstr(text, "\"deliveries\":5"));
}

/* Of a room with one member, which had 1000 events as long ago as that. */
static unsigned events_after(uint64_t ago_ms, unsigned later, uint64_t later_ago_ms)
{
    struct hub hub = {.now_ms = clock_monotonic_ms() - ago_ms};
    struct hub_channel *channel = calloc(1, sizeof *channel);
    struct room_key room = chat(1);
    char *key = room_key_store(&room);
    unsigned events = 0;
    assert_true(channel && key);
    channel->entry.key = key;
    channel->members = 1;
    channel->prev = hub.by_use = channel;
    pthread_mutex_init(&hub.lock, NULL);
    for (unsigned i = 0; i < 1000; i++)
        hub_count_event(&hub, channel);
    hub.now_ms += ago_ms - later_ago_ms;
    for (unsigned i = 0; i < later; i++)
        hub_count_event(&hub, channel);
    const char *found = strstr(busiest(&hub, 1), "\"events\":");
    if (found)
        events = (unsigned)strtoul(found + strlen("\"events\":"), NULL, 10);
    pthread_mutex_destroy(&hub.lock);
    free(channel);
    free(key);
    return events;
}

static void events_are_forgotten_bit_by_bit_after_ten_seconds(void **state)
{
    (void)state;
    assert_int_equal(events_after(0, 0, 0), 1000);
    assert_int_equal(events_after(9000, 0, 0), 1000);
    assert_in_range(events_after(15000, 0, 0), 400, 500);
    assert_int_equal(events_after(20000, 0, 0), 0);
    assert_in_range(events_after(18000, 10, 5000), 410, 510); /* half of the time before has not passed */
    assert_int_equal(events_after(60000, 10, 1000), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_room_is_described_by_its_place_members_and_events, start, stop),
        cmocka_unit_test_setup_teardown(rooms_are_listed_by_deliveries_and_idle_ones_are_not, start, stop),
        cmocka_unit_test(events_are_forgotten_bit_by_bit_after_ten_seconds),
    };
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
