/* What a relay says of itself, as somebody on the bus hears it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/heartbeat.h>
#include <roomcast/wire/subject.h>

#include "faulty_bus.h"
#include "relay_fixture.h"

#define BEATS_MAX 1024

static struct relay_fixture fixture;
static struct bus_subscription *subscription;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct heartbeat beats[BEATS_MAX]; /* under lock, as what follows */
static size_t count;
static unsigned undecodable;

static void on_beat(void *context, struct bus_message *message)
{
    (void)context;
    pthread_mutex_lock(&lock);
    if (count < BEATS_MAX && heartbeat_decode(message->data, &beats[count]) == ERR_OK)
        count++;
    else if (count < BEATS_MAX)
        undecodable++;
    pthread_mutex_unlock(&lock);
    bus_message_free(&message);
}

/* The fixture starts a relay with it, which may have said something before anybody listened: each test
 * listens to the next one. */
static void start(const char *heartbeat_ms, const char *lease_ms)
{
    char interval[64], lease[64], subject[SUBJECT_SIZE];
    const char *const settings[] = {lease, interval, NULL};
    snprintf(lease, sizeof lease, "ROOMCAST_RELAY_LEASE_MS=%s", lease_ms);
    snprintf(interval, sizeof interval, "ROOMCAST_CLUSTER_HEARTBEAT_MS=%s", heartbeat_ms);
    fixture_start(&fixture, false, settings);
    fixture_stop_relay(&fixture, 1000);
    count = undecodable = 0;
    subject_format_nodes("roomcast", subject);
    assert_int_equal(bus_subscribe(fixture.bus, subject, on_beat, NULL, &subscription), ERR_OK);
    fixture_start_relay(&fixture);
}

static int teardown(void **state)
{
    (void)state;
    bus_unsubscribe(fixture.bus, &subscription, NULL);
    fixture_stop(&fixture);
    assert_int_equal(undecodable, 0);
    return 0;
}

static size_t heard(void)
{
    pthread_mutex_lock(&lock);
    size_t so_many = count;
    pthread_mutex_unlock(&lock);
    return so_many;
}

static void wait_beats(size_t least)
{
    uint64_t deadline_ms = clock_monotonic_ms() + FIXTURE_WAIT;
    while (heard() < least && not_yet(deadline_ms))
        ;
    assert_true(heard() >= least);
}

/* The last one, when it is there. */
static struct heartbeat beat_at(size_t index)
{
    wait_beats(index + 1);
    pthread_mutex_lock(&lock);
    struct heartbeat beat = beats[index];
    pthread_mutex_unlock(&lock);
    return beat;
}

static void wait_active(void)
{
    size_t index = 0;
    while (!beat_at(index).active)
        index++;
}

static void a_relay_says_who_it_is_and_where(void **state)
{
    (void)state;
    char port[16];
    start("60000", "600");
    struct heartbeat beat = beat_at(0);
    snprintf(port, sizeof port, ":%u", relay_http_port(fixture.relay));
    assert_int_equal(beat.kind, HEARTBEAT_OF_RELAY);
    assert_int_equal(beat.state, HEARTBEAT_SERVING);
    assert_int_equal(beat.number, 1);
    assert_int_equal(beat.interval_ms, 60000);
    assert_non_null(strstr(beat.admin, port));
    assert_string_equal(beat.release, ROOMCAST_VERSION);
    assert_true(strlen(beat.instance) > strlen(beat.name) && strlen(beat.name) > 0);
    assert_true(beat.memory_bytes > 0);
}

static void beats_come_one_after_the_other(void **state)
{
    (void)state;
    start("100", "600");
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(beat_at(i).number, i + 1);
}

static void that_it_became_active_is_said_at_once(void **state)
{
    (void)state;
    start("60000", "600");
    wait_active(); /* long before the next interval */
    assert_true(heard() <= 3);
}

static void a_beat_follows_at_once_when_the_bus_is_back(void **state)
{
    (void)state;
    start("60000", "0"); /* it stays active without the bus: that changes nothing */
    wait_active();
    size_t before = heard();
    uint64_t deadline_ms = clock_monotonic_ms() + FIXTURE_WAIT;
    /* Its thread looks ten times a second; an outage that falls between two looks is not seen. */
    while (heard() == before && clock_monotonic_ms() < deadline_ms) {
        uint64_t end_ms = clock_monotonic_ms() + 300;
        faulty_bus_set_up(fixture.bus, false);
        while (not_yet(end_ms))
            ;
        faulty_bus_set_up(fixture.bus, true);
        end_ms += 300;
        while (heard() == before && not_yet(end_ms))
            ;
    }
    assert_int_equal(beat_at(before).state, HEARTBEAT_SERVING);
}

static void that_it_leaves_is_its_last_word(void **state)
{
    (void)state;
    start("100", "600");
    wait_active();
    fixture_stop_relay(&fixture, 1000);
    uint64_t deadline_ms = clock_monotonic_ms() + FIXTURE_WAIT;
    size_t last;
    while ((last = heard()) < 2 || beat_at(last - 1).state != HEARTBEAT_LEAVING) /* it is on its way */
        assert_true(not_yet(deadline_ms));
    assert_int_equal(beat_at(last - 1).state, HEARTBEAT_LEAVING);
    assert_false(beat_at(last - 1).active);
    assert_int_not_equal(beat_at(last - 2).state, HEARTBEAT_LEAVING);
    fixture_start_relay(&fixture);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_teardown(function, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_relay_says_who_it_is_and_where),      TEST(beats_come_one_after_the_other),
        TEST(that_it_became_active_is_said_at_once), TEST(a_beat_follows_at_once_when_the_bus_is_back),
        TEST(that_it_leaves_is_its_last_word),
    };
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
