/* Relays that share a lease over one in-process bus, and a real Redis. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/lease_record.h>

#include "faulty_bus.h"
#include "relay_fixture.h"

#define ROOMS   10
#define LEASE   "roomcast.ev.relay.lease"
#define INTRUDE 700 /* ms: its lease */

static struct relay_fixture fixture;
static struct relay *second;

static int setup(void **state)
{
    (void)state;
    static const char *const settings[] = {"ROOMCAST_RELAY_LEASE_MS=600", NULL};

    fixture_start(&fixture, true, settings);
    wait_ready(&fixture);
    return 0;
}

/* Long beside what a busy machine needs for anything else. */
#define LONG 20000

static int setup_long(void **state)
{
    (void)state;
    static const char *const settings[] = {"ROOMCAST_RELAY_LEASE_MS=20000", NULL};

    fixture_start(&fixture, true, settings);
    wait_ready(&fixture);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    faulty_bus_hold(fixture.bus, false);
    relay_stop(&second, 1000);
    fixture_stop(&fixture);
    assert_int_equal(metrics_get(METRIC_RELAY_IN_FLIGHT), 0);
    assert_int_equal(metrics_get(METRIC_RELAY_LANES), 0);
    return 0;
}

/* Room r's events are "r<r>-0", "r<r>-1" and so on. */
static void add_some(unsigned first, unsigned events)
{
    for (unsigned number = first; number < first + events; number++)
        for (unsigned room = 0; room < ROOMS; room++) {
            char id[32];
            snprintf(id, sizeof id, "r%u-%u", room, number);
            add_event(&fixture, id, room, "x");
        }
}

static void assert_numbers(unsigned events)
{
    wait_heard(&fixture, ROOMS * events);
    wait_acknowledged(&fixture);
    assert_heard_in_order(&fixture);
    for (size_t i = 0; i < fixture.heard_count; i++) {
        char id[32];
        snprintf(id, sizeof id, "r%u-%llu", fixture.heard[i].room,
                 (unsigned long long)fixture.heard[i].position.seq - 1);
        assert_string_equal(fixture.heard[i].id, id);
    }
}

static bool says(const char *method, const char *path, const char *body, int status, const char *text)
{
    char *reply = NULL;
    bool right = http(&fixture, method, path, FIXTURE_KEY, body, &reply) == status && strstr(reply, text);

    free(reply);
    return right;
}

static void wait_says(const char *path, int status, const char *text)
{
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;

    while (!says("GET", path, NULL, status, text))
        assert_true(not_yet(deadline));
}

static void wait_metric(enum metric metric, int64_t value)
{
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;

    while (metrics_get(metric) != value && not_yet(deadline))
        ;
    assert_int_equal(metrics_get(metric), value);
}

/* --- an intruder: takes the lease as another relay would that saw none renewed --- */

struct answer {
    sem_t came;
    uint64_t stream_seq;
    bool stored;
};

static void on_last(void *context, const struct bus_last_result *result)
{
    struct answer *answer = context;

    answer->stream_seq = result->stream_seq;
    sem_post(&answer->came);
}

static void on_put(void *context, const struct bus_store_result *result)
{
    struct answer *answer = context;

    answer->stored = result->status == BUS_STORED;
    sem_post(&answer->came);
}

static void intrude(void)
{
    struct lease_record record = {
        .instance = "intruder", .name = "the-intruder", .term = 99, .write = 1, .ttl_ms = INTRUDE};
    struct answer answer = {.stored = false};
    struct buffer bytes;
    char id[32];

    sem_init(&answer.came, 0, 0);
    buffer_init(&bytes, LEASE_MAX_BYTES);
    assert_int_equal(lease_record_encode(&record, &bytes), ERR_OK);
    for (unsigned i = 0; !answer.stored; i++) { /* a renewal may come between */
        bus_last(fixture.bus, LEASE, 1000, on_last, &answer);
        sem_wait(&answer.came);
        snprintf(id, sizeof id, "intrusion-%u-%u", i, random_below(1000000));
        const struct bus_store_request request = {.subject = LEASE,
                                                  .message_id = id,
                                                  .expect_last = answer.stream_seq,
                                                  .data = buffer_slice(&bytes),
                                                  .timeout_ms = 1000};
        bus_store(fixture.bus, &request, on_put, &answer);
        sem_wait(&answer.came);
    }
    buffer_fini(&bytes);
    sem_destroy(&answer.came);
}

/* --- tests --- */

static void relay_hands_its_lease_over_when_it_stops(void **state)
{
    (void)state;
    char problem[256] = "";
    const struct relay_options options = {
        .config = fixture.config, .bus = fixture.bus, .revocations_bus = fixture.revocations_bus};
    struct relay *first = fixture.relay;

    add_some(0, 5);
    assert_int_equal(relay_start(&options, &second, problem), ERR_OK);
    fixture.relay = second; /* for the requests */
    wait_says("/readyz", 200, "standby\n");
    assert_true(says("POST", "/v1/events", "{}", 503, "the active relay is relay-under-test"));
    assert_true(says("POST", "/v1/events", "{}", 503, "Retry-After: 1"));
    add_some(5, 5);
    relay_stop(&first, FIXTURE_WAIT);
    uint64_t stopped = clock_monotonic_ms();
    wait_says("/readyz", 200, "ready\n");
    assert_true(clock_monotonic_ms() - stopped < LONG / 2);
    add_some(10, 5);
    assert_numbers(15);
    second = NULL;
}

static void relay_that_lost_its_lease_leaves_everything_to_its_successor(void **state)
{
    (void)state;
    int64_t takeovers = metrics_get(METRIC_RELAY_TAKEOVERS);

    add_some(0, 1);
    wait_heard(&fixture, ROOMS);
    wait_acknowledged(&fixture);
    faulty_bus_hold(fixture.bus, true);
    add_some(1, 4);
    wait_metric(METRIC_RELAY_IN_FLIGHT, ROOMS * 4); /* one of each room is stored, without an answer */
    wait_heard(&fixture, ROOMS * 2);
    intrude();
    wait_says("/readyz", 200, "standby\n");
    assert_true(says("POST", "/v1/events", "{}", 503, "the active relay is the-intruder"));
    wait_metric(METRIC_RELAY_IN_FLIGHT, 0); /* abandoned */
    assert_int_equal(metrics_get(METRIC_RELAY_LANES), 0);
    char *pending = redis_ask(&fixture.redis, "XPENDING", "roomcast:events", "roomcast-relay", (char *)NULL);
    assert_non_null(strstr(pending, ":40\r\n")); /* nothing was acknowledged */
    free(pending);
    faulty_bus_hold(fixture.bus, false); /* the answers come after all */
    /* The intruder falls silent, and the relay takes over what it had left itself. */
    wait_says("/readyz", 200, "ready\n");
    add_some(5, 5);
    assert_numbers(10);
    assert_int_equal(metrics_get(METRIC_RELAY_TAKEOVERS), takeovers + 1);
}

static void relay_loses_its_lease_again_and_again(void **state)
{
    (void)state;

    int64_t takeovers = metrics_get(METRIC_RELAY_TAKEOVERS);

    faulty_bus_set_faults(fixture.bus, 10);
    for (unsigned round = 0; round < 5; round++) {
        add_some(round * 20, 20);
        intrude();
        wait_metric(METRIC_RELAY_TAKEOVERS, ++takeovers);
    }
    faulty_bus_set_faults(fixture.bus, 0);
    assert_numbers(100);
}

static void relay_neither_stores_nor_reads_while_its_lease_has_lapsed(void **state)
{
    (void)state;

    add_some(0, 5);
    wait_heard(&fixture, ROOMS * 5);
    wait_acknowledged(&fixture);
    faulty_bus_set_up(fixture.bus, false);
    wait_metric(METRIC_RELAY_ACTIVE, 0);
    int64_t read = metrics_get(METRIC_RELAY_READ_STREAM);
    add_some(5, 5);
    assert_true(says("GET", "/readyz", NULL, 503, "nats: not connected"));
    faulty_bus_set_up(fixture.bus, true);
    wait_says("/readyz", 200, "ready\n");
    assert_numbers(10);
    assert_int_equal(metrics_get(METRIC_RELAY_READ_STREAM), read + ROOMS * 5);
}

static void relay_keeps_what_it_has_while_its_lease_has_lapsed(void **state)
{
    (void)state;

    faulty_bus_hold(fixture.bus, true);
    add_some(0, 4);
    wait_metric(METRIC_RELAY_IN_FLIGHT, ROOMS * 4);
    wait_heard(&fixture, ROOMS);
    faulty_bus_set_up(fixture.bus, false);
    wait_metric(METRIC_RELAY_ACTIVE, 0);
    unsigned stores = faulty_bus_stores(fixture.bus);
    faulty_bus_hold(fixture.bus, false); /* the lanes could go on, but for the lease */
    wait_metric(METRIC_RELAY_IN_FLIGHT, ROOMS * 3);
    assert_int_equal(faulty_bus_stores(fixture.bus), stores); /* nobody tried */
    faulty_bus_set_up(fixture.bus, true);
    assert_numbers(4);
}

int main(void)
{
#define WITH_RELAY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(relay_hands_its_lease_over_when_it_stops, setup_long, teardown),
        WITH_RELAY(relay_that_lost_its_lease_leaves_everything_to_its_successor),
        WITH_RELAY(relay_loses_its_lease_again_and_again),
        WITH_RELAY(relay_neither_stores_nor_reads_while_its_lease_has_lapsed),
        WITH_RELAY(relay_keeps_what_it_has_while_its_lease_has_lapsed),
    };
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
