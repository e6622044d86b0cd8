/* The relay listening to real Redis Pub/Sub. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>

#include "faulty_bus.h"
#include "relay_fixture.h"

static struct relay_fixture fixture;

static int setup(void **state)
{
    (void)state;
    fixture_start(&fixture, true, NULL);
    wait_ready(&fixture);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

static void publish(const char *channel, const char *text)
{
    assert_int_equal(redis_ask_number(&fixture.redis, "PUBLISH", channel, text, (char *)NULL), 1);
}

static void publish_event(const char *channel, const char *id, unsigned room, const char *content)
{
    char *event = make_event(id, room, content);

    publish(channel, event);
    free(event);
}

static void relay_stores_published_events(void **state)
{
    (void)state;

    publish_event("events.message", "one", 0, "x");
    publish_event("events:message", NULL, 0, "y");
    wait_heard(&fixture, 2);
    assert_string_equal(fixture.heard[0].id, "one");
    assert_string_equal(fixture.heard[0].source, "pubsub events.message");
    assert_int_equal(strlen(fixture.heard[1].id), 36);
    assert_heard_in_order(&fixture);
}

static void relay_stores_both_copies_once(void **state)
{
    (void)state;

    for (unsigned i = 0; i < 20; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        publish_event("events.message", id, 1, "x");
        add_event(&fixture, id, 1, "x");
    }
    wait_heard(&fixture, 20);
    wait_acknowledged(&fixture);
    add_event(&fixture, "last", 1, "x");
    wait_heard(&fixture, 21);
    assert_heard_in_order(&fixture);
}

static void relay_buries_bad_published_events(void **state)
{
    (void)state;

    publish("events.message", "not JSON");
    publish_event("events.message", "good", 0, "x");
    wait_heard(&fixture, 1);
    wait_dead(&fixture, 1);
    faulty_bus_refuse(fixture.bus, true);
    publish_event("events.message", "refused", 0, "x");
    wait_dead(&fixture, 2);
    char *entries = redis_ask(&fixture.redis, "XRANGE", "roomcast:dead", "-", "+", (char *)NULL);
    assert_non_null(strstr(entries, "pubsub events.message"));
    assert_non_null(strstr(entries, "injected"));
    free(entries);
}

static void relay_keeps_messages_while_the_bus_is_away(void **state)
{
    (void)state;
    int64_t dropped = metrics_get(METRIC_RELAY_DROPPED);

    faulty_bus_set_up(fixture.bus, false);
    for (unsigned i = 0; i < 1200; i++) /* more than relay.max_in_flight */
        publish_event("events.message", NULL, i % 10, "x");
    faulty_bus_set_up(fixture.bus, true);
    relay_on_bus_event(fixture.relay, BUS_EVENT_UP);
    wait_heard(&fixture, 1200);
    assert_int_equal(metrics_get(METRIC_RELAY_DROPPED), dropped);
    assert_heard_in_order(&fixture);
}

static void relay_stores_before_it_stops_what_was_published(void **state)
{
    (void)state;

    enum { MANY = 3000 }; /* more than relay.max_in_flight */

    for (unsigned i = 0; i < MANY; i++)
        publish_event("events.message", NULL, i % 10, "x");
    free(redis_ask(&fixture.redis, "PING", (char *)NULL)); /* by now Redis has sent them all */
    fixture_stop_relay(&fixture, FIXTURE_WAIT);
    wait_heard(&fixture, MANY);
    assert_heard_in_order(&fixture);
}

static void relay_stops_with_messages_left(void **state)
{
    (void)state;
    int64_t dropped = metrics_get(METRIC_RELAY_DROPPED);
    int64_t read = metrics_get(METRIC_RELAY_READ_PUBSUB);
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;

    faulty_bus_set_up(fixture.bus, false);
    for (unsigned i = 0; i < 1100; i++)
        publish_event("events.message", NULL, i % 10, "x");
    while (metrics_get(METRIC_RELAY_READ_PUBSUB) < read + 1100 && not_yet(deadline))
        ;
    uint64_t start = clock_monotonic_ms();
    fixture_stop_relay(&fixture, 300);
    assert_in_range(clock_monotonic_ms() - start, 250, 10000);
    assert_true(metrics_get(METRIC_RELAY_DROPPED) > dropped);
    assert_int_equal(metrics_get(METRIC_RELAY_IN_FLIGHT), 0);
}

int main(void)
{
#define WITH_RELAY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_RELAY(relay_stores_published_events),
        WITH_RELAY(relay_stores_both_copies_once),
        WITH_RELAY(relay_buries_bad_published_events),
        WITH_RELAY(relay_keeps_messages_while_the_bus_is_away),
        WITH_RELAY(relay_stores_before_it_stops_what_was_published),
        WITH_RELAY(relay_stops_with_messages_left),
    };
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
