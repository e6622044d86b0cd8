/* The relay reading a real Redis stream. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/io/redis_client.h>

#include "faulty_bus.h"
#include "relay_fixture.h"

static struct relay_fixture fixture;

static int setup(void **state)
{
    (void)state;
    fixture_start(&fixture, true, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

static void add_raw(const char *field, const char *value)
{
    free(redis_ask(&fixture.redis, "XADD", "roomcast:events", "*", field, value, (char *)NULL));
}

static void relay_stores_and_acknowledges(void **state)
{
    (void)state;
    const char *event =
        "{\"id\":\"e-1\",\"event_type\":\"message.created\",\"occurred_at\":\"2026-11-23T10:15:30.123Z\","
        "\"payload\":{\"z\":12345678901234567890, \"ChatID\":\"00000000-0000-4000-8000-000000000001\","
        "\"a\":1.10,\"u\":\"\\u00e9\"}}";

    add_raw("event", event);
    add_event(&fixture, NULL, 1, "without an id");
    wait_heard(&fixture, 2);
    wait_acknowledged(&fixture);
    assert_string_equal(fixture.heard[0].id, "e-1");
    assert_string_equal(fixture.heard[0].payload,
                        "{\"z\":12345678901234567890, \"ChatID\":\"00000000-0000-4000-8000-000000000001\","
                        "\"a\":1.10,\"u\":\"\\u00e9\"}");
    assert_string_equal(fixture.heard[0].client_type, "chat.message.posted");
    assert_memory_equal(fixture.heard[0].source, "roomcast:events ", 16);
    assert_memory_equal(fixture.heard[1].id, "stream:", 7);
    assert_string_equal(fixture.heard[1].id + 7, fixture.heard[1].source + 16);
    assert_heard_in_order(&fixture);
}

static void assert_dead(const char *entries, const char *reason)
{
    if (!entries || !strstr(entries, reason))
        fail_msg("no \"%s\" in %s", reason, entries ? entries : "nothing");
}

static void relay_buries_bad_events(void **state)
{
    (void)state;
    size_t size = 10u << 20;
    char *huge = malloc(size + 1);

    memset(huge, 'x', size);
    huge[size] = '\0';
    add_raw("event", "{\"broken");
    add_raw("other", "field");
    add_raw("event", "{\"payload\":{}}");
    add_raw("event", "{\"event_type\":\"message.created\",\"payload\":{}}");
    add_raw("event", huge);
    add_event(&fixture, "good", 2, "after bad ones");
    wait_heard(&fixture, 1);
    wait_dead(&fixture, 5);
    wait_acknowledged(&fixture);
    char *entries = redis_ask(&fixture.redis, "XRANGE", "roomcast:dead", "-", "+", (char *)NULL);
    assert_dead(entries, "the stream entry has no field \"event\"");
    assert_dead(entries, "{\"other\":\"field\"}");
    assert_dead(entries, "event_type");
    assert_dead(entries, "more than relay.max_event_bytes");
    assert_dead(entries, "truncated");
    assert_dead(entries, "{\"broken");
    assert_true(strlen(entries) < size / 10);
    free(entries);
    free(huge);
}

static void relay_skips_what_it_does_not_know(void **state)
{
    (void)state;
    int64_t before = metrics_get(METRIC_RELAY_SKIPPED);

    add_raw("event", "{\"event_type\":\"weather.changed\",\"payload\":{}}");
    add_event(&fixture, "known", 0, "x");
    wait_heard(&fixture, 1);
    wait_acknowledged(&fixture);
    assert_int_equal(metrics_get(METRIC_RELAY_SKIPPED), before + 1);
    wait_dead(&fixture, 0);
}

static void relay_buries_what_the_bus_refuses(void **state)
{
    (void)state;

    faulty_bus_refuse(fixture.bus, true);
    add_event(&fixture, "refused", 3, "x");
    wait_dead(&fixture, 1);
    wait_acknowledged(&fixture);
    faulty_bus_refuse(fixture.bus, false);
    add_event(&fixture, "taken", 3, "y");
    wait_heard(&fixture, 1);
}

#define ROOMS  50
#define EVENTS 200

/* As fast as Redis takes them: one client, one event of each room in turn. */
static void add_many(unsigned rooms, unsigned first, unsigned events)
{
    struct redis_options options = {
        .url = fixture.redis.url, .connect_timeout_ms = 5000, .command_timeout_ms = 5000};
    struct redis_client *client = NULL;
    char problem[REDIS_PROBLEM_SIZE];

    assert_int_equal(redis_client_new(&options, &client, problem), ERR_OK);
    assert_int_equal(redis_client_connect(client), ERR_OK);
    for (unsigned number = first; number < first + events; number++)
        for (unsigned room = 0; room < rooms; room++) {
            char id[32], content[16];
            snprintf(id, sizeof id, "r%u-%u", room, number);
            snprintf(content, sizeof content, "%u", number);
            char *event = make_event(id, room, content);
            const struct redis_field field = {"event", slice_of(event)};
            assert_int_equal(redis_add(client, "roomcast:events", 1000000, &field, 1), ERR_OK);
            free(event);
        }
    redis_client_free(&client);
}

/* Room r's event n has position n + 1 and id "r<r>-<n>": nothing lost, doubled or reordered. */
static void assert_numbers(void)
{
    assert_heard_in_order(&fixture);
    for (size_t i = 0; i < fixture.heard_count; i++) {
        char id[32];
        snprintf(id, sizeof id, "r%u-%llu", fixture.heard[i].room,
                 (unsigned long long)fixture.heard[i].position.seq - 1);
        assert_string_equal(fixture.heard[i].id, id);
    }
}

static void relay_keeps_the_order_of_many_rooms(void **state)
{
    (void)state;

    add_many(ROOMS, 0, EVENTS);
    wait_heard(&fixture, ROOMS * EVENTS);
    wait_acknowledged(&fixture);
    assert_numbers();
}

static void relay_keeps_the_order_through_faults(void **state)
{
    (void)state;

    faulty_bus_set_faults(fixture.bus, 20);
    add_many(20, 0, 20);
    wait_heard(&fixture, 20 * 20);
    wait_acknowledged(&fixture);
    assert_numbers();
}

static void relay_finishes_after_a_restart_what_was_pending(void **state)
{
    (void)state;

    size_t heard = 0;

    for (unsigned round = 0; round < 4; round++) {
        /* Lost answers and a stop without patience leave entries that are stored but not acknowledged. */
        faulty_bus_set_faults(fixture.bus, 50);
        add_many(10, round * 10, 10);
        heard = wait_heard_least(&fixture, heard + 1);
        fixture_stop_relay(&fixture, 0);
        faulty_bus_set_faults(fixture.bus, 0);
        fixture_start_relay(&fixture);
        uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;
        while (metrics_get(METRIC_RELAY_IN_FLIGHT) > 0 && not_yet(deadline))
            ;
    }
    wait_heard(&fixture, 10 * 40);
    wait_acknowledged(&fixture);
    assert_numbers();
}

/* As after a crash: what is in the lanes comes back unfinished, and nothing is acknowledged. */
static void leave_unfinished(unsigned rooms, unsigned first, unsigned events)
{
    int64_t read = metrics_get(METRIC_RELAY_READ_STREAM);
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;

    faulty_bus_set_up(fixture.bus, false);
    add_many(rooms, first, events);
    while (metrics_get(METRIC_RELAY_READ_STREAM) < read + rooms * events && not_yet(deadline))
        ;
    assert_int_equal(metrics_get(METRIC_RELAY_READ_STREAM), read + rooms * events);
    fixture_stop_relay(&fixture, 0);
    faulty_bus_set_up(fixture.bus, true);
}

static void relay_stores_first_what_one_of_another_name_left(void **state)
{
    (void)state;
    static char name[] = "relay-on-another-host";
    static struct config config; /* outlives a test that fails */
    const struct relay_options options = {
        .config = &config, .bus = fixture.bus, .revocations_bus = fixture.revocations_bus};
    char problem[256] = "";

    wait_ready(&fixture);
    leave_unfinished(10, 0, 20);
    add_many(10, 20, 20);
    config = *fixture.config;
    config.node_name = name;
    assert_int_equal(relay_start(&options, &fixture.relay, problem), ERR_OK);
    wait_heard(&fixture, 10 * 40);
    wait_acknowledged(&fixture);
    assert_numbers();
}

static void relay_counts_what_redis_trimmed(void **state)
{
    (void)state;

    wait_ready(&fixture);
    leave_unfinished(1, 0, 3);
    int64_t dropped = metrics_get(METRIC_RELAY_DROPPED);
    free(redis_ask(&fixture.redis, "XTRIM", "roomcast:events", "MAXLEN", "1", (char *)NULL));
    fixture_start_relay(&fixture);
    wait_heard(&fixture, 1);
    wait_acknowledged(&fixture);
    assert_string_equal(fixture.heard[0].id, "r0-2");
    assert_int_equal(metrics_get(METRIC_RELAY_DROPPED), dropped + 2);
}

/* With the lease off that is not supported, but nothing is lost, doubled or left behind. */
static void two_relays_store_every_event_once(void **state)
{
    (void)state;
    char problem[256] = "";
    const struct relay_options options = {
        .config = fixture.config, .bus = fixture.bus, .revocations_bus = fixture.revocations_bus};
    struct relay *second = NULL;

    wait_ready(&fixture);
    faulty_bus_set_up(fixture.bus, false);
    add_many(10, 0, 20);
    assert_int_equal(relay_start(&options, &second, problem), ERR_OK); /* reads what the first one holds */
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;
    while (metrics_get(METRIC_RELAY_IN_FLIGHT) < 300 && not_yet(deadline))
        ;
    assert_in_range(metrics_get(METRIC_RELAY_IN_FLIGHT), 300, 400);
    faulty_bus_set_up(fixture.bus, true);
    relay_on_bus_event(fixture.relay, BUS_EVENT_UP);
    relay_on_bus_event(second, BUS_EVENT_UP);
    add_many(10, 20, 20);
    wait_heard(&fixture, 10 * 40);
    wait_acknowledged(&fixture);
    assert_heard_in_order(&fixture);
    relay_stop(&second, 1000);
}

static void relay_waits_for_the_bus(void **state)
{
    (void)state;
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;

    wait_ready(&fixture);
    faulty_bus_set_up(fixture.bus, false);
    char *reply = NULL;
    assert_int_equal(http(&fixture, "GET", "/readyz", NULL, NULL, &reply), 503);
    assert_non_null(strstr(reply, "nats: not connected"));
    free(reply);
    add_many(20, 0, 100);
    while (metrics_get(METRIC_RELAY_IN_FLIGHT) < 1000 && not_yet(deadline))
        ;
    /* relay.max_in_flight is 1024: Redis keeps the rest. */
    assert_in_range(metrics_get(METRIC_RELAY_IN_FLIGHT), 1000, 1024);
    faulty_bus_set_up(fixture.bus, true);
    relay_on_bus_event(fixture.relay, BUS_EVENT_UP);
    wait_heard(&fixture, 20 * 100);
    wait_acknowledged(&fixture);
    assert_numbers();
}

static void relay_reads_on_after_redis_was_emptied(void **state)
{
    (void)state;

    add_event(&fixture, "one", 0, "x");
    wait_heard(&fixture, 1);
    wait_acknowledged(&fixture);
    free(redis_ask(&fixture.redis, "FLUSHALL", (char *)NULL));
    add_event(&fixture, "two", 0, "x");
    wait_heard(&fixture, 2);
    redis_process_stop(&fixture.redis);
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;
    char *reply = NULL;
    bool reported = false;
    do {
        (void)http(&fixture, "GET", "/readyz", NULL, NULL, &reply);
        reported = strstr(reply, "HTTP/1.1 503") && strstr(reply, "redis (stream): ");
        free(reply);
    } while (!reported && not_yet(deadline));
    assert_true(reported);
    assert_int_equal(metrics_get(METRIC_REDIS_UP), 0);
    redis_process_restart(&fixture.redis);
    add_event(&fixture, "three", 0, "x");
    wait_heard(&fixture, 3);
    wait_ready(&fixture);
    assert_int_equal(metrics_get(METRIC_REDIS_UP), 1);
    assert_heard_in_order(&fixture);
}

/* A dead relay's unacknowledged entry, made to look 60 s old. */
static void leave_behind(unsigned room)
{
    char *event = make_event(NULL, room, "x");
    char *reply = redis_ask(&fixture.redis, "XADD", "roomcast:events", "*", "event", event, (char *)NULL);
    char id[REDIS_ID_SIZE] = "";

    assert_int_equal(sscanf(reply, "$%*d\r\n%47[0-9-]", id), 1);
    free(reply);
    free(event);
    free(redis_ask(&fixture.redis, "XREADGROUP", "GROUP", "roomcast-relay", "dead-relay", "STREAMS",
                   "roomcast:events", ">", (char *)NULL));
    free(redis_ask(&fixture.redis, "XCLAIM", "roomcast:events", "roomcast-relay", "dead-relay", "0", id,
                   "IDLE", "60000", "JUSTID", (char *)NULL));
}

static void relay_claims_what_a_dead_relay_left(void **state)
{
    (void)state;

    wait_ready(&fixture); /* the group exists */
    fixture_stop_relay(&fixture, 1000);
    leave_behind(0);
    leave_behind(0);
    fixture_start_relay(&fixture);
    wait_heard(&fixture, 2);
    wait_acknowledged(&fixture);
    assert_heard_in_order(&fixture);
}

static void relay_reports_a_stream_of_another_shape(void **state)
{
    (void)state;
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;
    char *reply = NULL;
    bool reported = false;

    fixture_stop_relay(&fixture, 0);
    faulty_bus_set_stream(fixture.bus, ERR_CONFLICT);
    fixture_start_relay(&fixture);
    do {
        assert_int_equal(http(&fixture, "GET", "/readyz", NULL, NULL, &reply), 503);
        reported = strstr(reply, "another shape") != NULL;
        free(reply);
    } while (!reported && not_yet(deadline));
    assert_true(reported);
    faulty_bus_set_stream(fixture.bus, ERR_OK);
    wait_ready(&fixture);
}

int main(void)
{
#define WITH_RELAY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_RELAY(relay_stores_and_acknowledges),
        WITH_RELAY(relay_buries_bad_events),
        WITH_RELAY(relay_skips_what_it_does_not_know),
        WITH_RELAY(relay_buries_what_the_bus_refuses),
        WITH_RELAY(relay_keeps_the_order_of_many_rooms),
        WITH_RELAY(relay_keeps_the_order_through_faults),
        WITH_RELAY(relay_finishes_after_a_restart_what_was_pending),
        WITH_RELAY(relay_stores_first_what_one_of_another_name_left),
        WITH_RELAY(relay_counts_what_redis_trimmed),
        WITH_RELAY(two_relays_store_every_event_once),
        WITH_RELAY(relay_waits_for_the_bus),
        WITH_RELAY(relay_reads_on_after_redis_was_emptied),
        WITH_RELAY(relay_claims_what_a_dead_relay_left),
        WITH_RELAY(relay_reports_a_stream_of_another_shape),
    };
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
