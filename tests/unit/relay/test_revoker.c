/* What the relay does with revocations: HTTP, the events of services, a real Redis stream. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/revocation.h>
#include <roomcast/wire/subject.h>

#include "faulty_bus.h"
#include "relay_fixture.h"
#include "revoker.h"

static struct relay_fixture fixture;

/* What came as a notice, by whichever order; counted by the id that was revoked. */
static pthread_mutex_t notices_lock = PTHREAD_MUTEX_INITIALIZER;
static struct revocation notices[64]; /* under lock */
static size_t notices_count;          /* under lock */
static struct bus_subscription *subscription;

static void on_notice(void *context, struct bus_message *message)
{
    struct revocation *records;
    size_t count;

    (void)context;
    if (revocations_decode(message->data, &records, &count) != ERR_OK)
        abort();
    pthread_mutex_lock(&notices_lock);
    for (size_t i = 0; i < count && notices_count < 64; i++)
        notices[notices_count++] = records[i];
    pthread_mutex_unlock(&notices_lock);
    free(records);
    bus_message_free(&message);
}

static bool has_notice(const char *id)
{
    bool found = false;

    pthread_mutex_lock(&notices_lock);
    for (size_t i = 0; i < notices_count; i++)
        found |= strcmp(notices[i].id, id) == 0;
    pthread_mutex_unlock(&notices_lock);
    return found;
}

static void wait_notice(const char *id)
{
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;

    while (!has_notice(id))
        assert_true(not_yet(deadline));
}

static void start(bool with_redis, const char *const *settings)
{
    char subject[SUBJECT_SIZE];

    notices_count = 0;
    fixture_start(&fixture, with_redis, settings);
    subject_format_revocation_notice(fixture.config->nats_prefix, subject);
    assert_int_equal(bus_subscribe(fixture.revocations_bus, subject, on_notice, NULL, &subscription), ERR_OK);
    wait_ready(&fixture);
}

static int setup(void **state)
{
    (void)state;
    start(false, NULL);
    return 0;
}

/* For a bus that does not answer. */
static int setup_hasty(void **state)
{
    (void)state;
    static const char *const settings[] = {"ROOMCAST_RELAY_STORE_TIMEOUT_MS=1000", NULL};

    start(false, settings);
    return 0;
}

static int setup_with_redis(void **state)
{
    (void)state;
    start(true, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bus_unsubscribe(fixture.revocations_bus, &subscription, NULL);
    fixture_stop(&fixture);
    return 0;
}

/* --- what is stored --- */

struct last {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
    uint64_t seq;
    struct revocation *records; /* owned */
    size_t count;
};

static void on_last(void *context, const struct bus_last_result *result)
{
    struct last *last = context;

    pthread_mutex_lock(&last->lock);
    if (result->status == BUS_LAST_UNAVAILABLE)
        abort();
    if (result->status == BUS_LAST_FOUND) {
        last->seq = result->stream_seq;
        if (revocations_decode(result->data, &last->records, &last->count) != ERR_OK)
            abort();
    }
    last->done = true;
    pthread_cond_signal(&last->cond);
    pthread_mutex_unlock(&last->lock);
}

static void read_shard(unsigned shard, struct last *last)
{
    char subject[SUBJECT_SIZE];

    *last = (struct last){.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    subject_format_revocation_shard(fixture.config->nats_prefix, SUBJECT_EVENT, shard, subject);
    bus_last(fixture.revocations_bus, subject, 10000, on_last, last);
    pthread_mutex_lock(&last->lock);
    while (!last->done)
        pthread_cond_wait(&last->cond, &last->lock);
    pthread_mutex_unlock(&last->lock);
}

/* True, and fills *ret_found, when a record of that key is stored. */
static bool find_stored(const struct revocation *wanted, struct revocation *ret_found)
{
    char key[REVOCATION_KEY_MAX], other[REVOCATION_KEY_MAX];
    size_t len = revocation_key(wanted, key);
    struct last last;
    bool found = false;

    read_shard(revocation_shard(wanted), &last);
    for (size_t i = 0; i < last.count && !found; i++) {
        found = revocation_key(&last.records[i], other) == len && memcmp(key, other, len) == 0;
        if (found)
            *ret_found = last.records[i];
    }
    free(last.records);
    return found;
}

/* `room` below 0: everywhere. */
static struct revocation of_user(const char *name, int room)
{
    struct revocation revocation;
    struct room_key user;
    struct uuid chat;

    assert_int_equal(room_key_for_user(slice_of(name), &user), ERR_OK);
    if (room >= 0)
        assert_int_equal(uuid_parse(slice_of(room_id((unsigned)room)), &chat), ERR_OK);
    revocation_of_user(&user, room >= 0 ? &chat : NULL, &revocation);
    return revocation;
}

static void assert_posted(const char *path, const char *body, int status, const char *expected)
{
    char *reply = NULL;
    int got = http(&fixture, "POST", path, FIXTURE_KEY, body, &reply);

    if (got != status || !strstr(reply, expected))
        fail_msg("expected %d with %s, got %s", status, expected, reply);
    free(reply);
}

static char *member_event(const char *id, const char *type, unsigned room, const char *user)
{
    char *text = NULL;

    assert_true(asprintf(&text,
                         "{\"id\":\"%s\",\"event_type\":\"%s\",\"payload\":{\"chat_id\":\"%s\",\"user_id\":"
                         "\"%s\"}}",
                         id, type, room_id(room), user) > 0);
    return text;
}

static void post_member_event(const char *id, const char *type, unsigned room, const char *user)
{
    char *event = member_event(id, type, room, user);

    assert_posted("/v1/events", event, 202, "\"accepted\":1");
    free(event);
}

/* --- tests --- */

static void a_revocation_posted_is_told_and_stored(void **state)
{
    (void)state;
    struct revocation wanted = of_user("ben", -1), found;
    uint64_t now_s = clock_wall_ms() / 1000;

    assert_posted("/v1/revocations", "{\"user_id\":\"ben\"}", 202, "{\"success\":true,\"accepted\":1}");
    wait_notice("ben");
    assert_true(find_stored(&wanted, &found));
    assert_in_range(found.at_s, now_s, now_s + 30);
    assert_int_equal(found.until_s, found.at_s + 86400);
    assert_true(found.order > 0 && found.lifted_order == 0);
    assert_int_equal(notices[0].order, found.order);
    assert_posted("/v1/revocations",
                  "[{\"token_id\":\"t-1\",\"expires_at\":1},{\"user_id\":\"anna\",\"before\":9}]", 202,
                  "\"accepted\":2");
    wanted = of_user("anna", -1);
    assert_true(find_stored(&wanted, &found));
    assert_int_equal(found.at_s, 9);
}

static void a_time_beyond_the_longest_token_or_ahead_of_now_is_cut(void **state)
{
    (void)state;
    struct revocation wanted = of_user("ben", -1), found;
    uint64_t now_s = clock_wall_ms() / 1000;

    assert_posted("/v1/revocations",
                  "{\"user_id\":\"ben\",\"before\":9007199254740991,\"expires_at\":9007199254740991}", 202,
                  "\"accepted\":1");
    assert_true(find_stored(&wanted, &found));
    assert_in_range(found.at_s, now_s, now_s + 30);
    assert_int_equal(found.until_s, found.at_s + 86400);
}

static void bad_revocations_are_refused_whole(void **state)
{
    (void)state;
    struct revocation wanted = of_user("ben", -1), found;

    assert_posted("/v1/revocations", "{}", 400, "neither user_id nor token_id");
    assert_posted("/v1/revocations", "[{\"user_id\":\"ben\"},{\"chat_id\":\"x\"}]", 400, "revocation 1: ");
    assert_posted("/v1/revocations", "[]", 400, "the array is empty");
    assert_int_equal(http(&fixture, "POST", "/v1/revocations", "wrong", "{\"user_id\":\"ben\"}", NULL), 401);
    assert_int_equal(http(&fixture, "GET", "/v1/revocations", FIXTURE_KEY, NULL, NULL), 405);
    assert_false(find_stored(&wanted, &found));
    assert_false(has_notice("ben"));
}

/* Over a bus that may be slow to take what it takes. */
static void post_until_stored(const char *path, const char *body)
{
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;

    while (http(&fixture, "POST", path, FIXTURE_KEY, body, NULL) != 202)
        assert_true(not_yet(deadline));
}

static void nodes_hear_of_it_while_nothing_can_be_stored_and_nothing_is_acknowledged(void **state)
{
    (void)state;
    struct revocation wanted = of_user("ben", 3), found;
    char *event = member_event("gone", "chat.member_removed", 3, "ben");

    faulty_bus_hold(fixture.revocations_bus, true);
    assert_posted("/v1/events", event, 503, "not all events are known to be stored");
    wait_notice("ben");
    wait_heard(&fixture, 1); /* the event itself went its way */
    faulty_bus_hold(fixture.revocations_bus, false);
    post_until_stored("/v1/events", event); /* the same again */
    assert_true(find_stored(&wanted, &found));
    wait_heard(&fixture, 1);
    free(event);
}

static size_t notices_of(const char *id)
{
    size_t found = 0;

    pthread_mutex_lock(&notices_lock);
    for (size_t i = 0; i < notices_count; i++)
        found += strcmp(notices[i].id, id) == 0;
    pthread_mutex_unlock(&notices_lock);
    return found;
}

static void a_notice_is_said_again_until_it_is_stored(void **state)
{
    (void)state;
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;

    faulty_bus_hold(fixture.revocations_bus, true);
    assert_posted("/v1/revocations", "{\"user_id\":\"ben\"}", 503, "UNAVAILABLE");
    while (notices_of("ben") < 3)
        assert_true(not_yet(deadline));
    faulty_bus_hold(fixture.revocations_bus, false);
    post_until_stored("/v1/revocations", "{\"user_id\":\"dora\"}");
    post_until_stored("/v1/revocations", "{\"user_id\":\"emil\"}");
    wait_notice("emil"); /* what was on its way of the one before has come, too */
    size_t said = notices_of("dora");
    for (uint64_t end_ms = clock_monotonic_ms() + 1000; not_yet(end_ms);)
        ; /* it would have been said four times */
    assert_int_equal(notices_of("dora"), said);
}

static void a_removed_member_is_revoked_and_an_added_one_has_it_lifted(void **state)
{
    (void)state;
    struct revocation wanted = of_user("ben", 3), found;

    post_member_event("a0", "chat.member_added", 3, "ben");
    assert_false(find_stored(&wanted, &found)); /* there was nothing to lift */
    post_member_event("r1", "chat.member_removed", 3, "ben");
    assert_true(find_stored(&wanted, &found));
    assert_true(found.order > found.lifted_order);
    post_member_event("a1", "chat.member_added", 3, "ben");
    assert_true(find_stored(&wanted, &found));
    assert_true(found.order < found.lifted_order);
    post_member_event("r2", "chat.member_removed", 3, "ben");
    assert_true(find_stored(&wanted, &found));
    assert_true(found.order > found.lifted_order);
    wait_heard(&fixture, 4); /* clients hear of all of it */
    assert_heard_in_order(&fixture);
}

static void ignore(void *context, const struct bus_store_result *result)
{
    (void)context;
    (void)result;
}

static void another_writers_records_are_kept(void **state)
{
    (void)state;
    struct revocation mine = of_user("ben", -1), theirs, found;
    struct last last;
    unsigned shard = revocation_shard(&mine), number = 0;
    char name[24], subject[SUBJECT_SIZE];
    struct buffer bytes;

    assert_posted("/v1/revocations", "{\"user_id\":\"ben\"}", 202, "\"accepted\":1");
    do {
        snprintf(name, sizeof name, "u%u", number++);
        theirs = of_user(name, -1);
    } while (revocation_shard(&theirs) != shard);
    theirs.at_s = 5;
    theirs.until_s = clock_wall_ms() / 1000 + 1000;
    theirs.order = 7;
    read_shard(shard, &last);
    free(last.records);
    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    assert_int_equal(revocations_encode(&theirs, 1, &bytes),
                     ERR_OK); /* without ours: it counts all the same */
    subject_format_revocation_shard(fixture.config->nats_prefix, SUBJECT_EVENT, shard, subject);
    const struct bus_store_request request = {.subject = subject,
                                              .message_id = "theirs",
                                              .expect_last = last.seq,
                                              .data = buffer_slice(&bytes),
                                              .timeout_ms = 1000};
    bus_store(fixture.revocations_bus, &request, ignore, NULL);
    buffer_fini(&bytes);
    assert_posted("/v1/revocations", "{\"user_id\":\"ben\",\"before\":8}", 202, "\"accepted\":1");
    assert_true(find_stored(&theirs, &found));
    assert_int_equal(found.at_s, 5);
    assert_true(find_stored(&mine, &found));
}

static void all_are_stored_by_a_bus_that_loses_every_other_answer(void **state)
{
    (void)state;

    faulty_bus_alternate(fixture.revocations_bus, true);
    for (unsigned i = 0; i < 6; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"user_id\":\"user-%u\"}", i);
        post_until_stored("/v1/revocations", body);
    }
    faulty_bus_alternate(fixture.revocations_bus, false);
    for (unsigned i = 0; i < 6; i++) {
        char name[24];
        struct revocation found;
        snprintf(name, sizeof name, "user-%u", i);
        struct revocation wanted = of_user(name, -1);
        assert_true(find_stored(&wanted, &found));
    }
}

static void a_new_relay_goes_on_with_what_is_stored(void **state)
{
    (void)state;
    struct revocation found, ben = of_user("ben", 3);

    post_member_event("r1", "chat.member_removed", 3, "ben");
    fixture_stop_relay(&fixture, 1000);
    fixture_start_relay(&fixture);
    wait_ready(&fixture);
    post_member_event("a1", "chat.member_added", 3, "ben"); /* finds what its predecessor has stored */
    assert_true(find_stored(&ben, &found));
    assert_true(found.order > 0 && found.lifted_order > found.order);
}

/* As by a relay whose clock is a minute ahead. */
static void store_ahead(struct revocation record)
{
    char subject[SUBJECT_SIZE];
    struct buffer bytes;
    const unsigned shard = revocation_shard(&record);

    record.order = (clock_wall_ms() + 60000) << 20;
    record.at_s = clock_wall_ms() / 1000;
    record.until_s = record.at_s + 1000;
    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    assert_int_equal(revocations_encode(&record, 1, &bytes), ERR_OK);
    subject_format_revocation_shard(fixture.config->nats_prefix, SUBJECT_EVENT, shard, subject);
    const struct bus_store_request request = {
        .subject = subject, .message_id = "ahead", .data = buffer_slice(&bytes), .timeout_ms = 1000};
    bus_store(fixture.revocations_bus, &request, ignore, NULL);
    buffer_fini(&bytes);
}

static void what_comes_later_counts_as_later_though_another_relays_clock_was_ahead(void **state)
{
    (void)state;
    struct revocation ben = of_user("ben", 3), found;

    store_ahead(ben);
    post_member_event("a1", "chat.member_added", 3, "ben");
    assert_true(find_stored(&ben, &found));
    assert_true(found.lifted_order > found.order);
    post_member_event("r1", "chat.member_removed", 3, "ben");
    assert_true(find_stored(&ben, &found));
    assert_true(found.order > found.lifted_order);
}

/* Of 1000 users in shard 7. */
static void fill_array(struct buffer *body, unsigned *number)
{
    buffer_clear(body);
    buffer_append_char(body, '[');
    for (unsigned count = 0; count < 1000;) {
        char name[24];
        snprintf(name, sizeof name, "user-%u", (*number)++);
        struct revocation one = of_user(name, -1);
        if (revocation_shard(&one) == 7)
            buffer_appendf(body, "%s{\"user_id\":\"%s\"}", count++ ? "," : "", name);
    }
    buffer_append_char(body, ']');
}

static void a_full_shard_refuses_for_now_and_forgets_nothing(void **state)
{
    (void)state;
    unsigned number = 0, accepted = 0;
    struct buffer body;
    struct last before, after;
    char *reply = NULL;

    buffer_init(&body, 1u << 20);
    for (;;) {
        fill_array(&body, &number);
        if (http(&fixture, "POST", "/v1/revocations", FIXTURE_KEY, buffer_text(&body), &reply) != 202)
            break;
        free(reply);
        assert_true(++accepted < 20);
    }
    assert_non_null(strstr(reply, "HTTP/1.1 503"));
    assert_non_null(strstr(reply, "OVERLOADED"));
    assert_non_null(strstr(reply, "as many revocations are kept as can be"));
    free(reply);
    read_shard(7, &before);
    assert_true(before.count >= accepted * 1000 && accepted >= 3);
    assert_posted("/v1/revocations", buffer_text(&body), 503, "OVERLOADED");
    read_shard(7, &after);
    assert_int_equal(after.count, before.count);
    free(before.records);
    free(after.records);
    buffer_fini(&body);
    assert_posted("/v1/revocations", "{\"user_id\":\"ben\"}", 202, "\"accepted\":1"); /* another shard */
}

static char *xadd(const char *id, const char *event)
{
    return redis_ask(&fixture.redis, "XADD", "roomcast:events", id, "event", event, (char *)NULL);
}

static void the_stream_says_when_and_says_the_same_when_it_is_read_again(void **state)
{
    (void)state;
    struct revocation ben = of_user("ben", 3), anna = of_user("anna", -1), found;
    uint64_t ms = clock_wall_ms() - 20000;
    char id[32], old[32];

    snprintf(id, sizeof id, "%llu-5", (unsigned long long)ms);
    snprintf(old, sizeof old, "7-1"); /* chosen by its publisher: says nothing */
    free(xadd(old, "{\"event_type\":\"access.revoked\",\"payload\":{\"user_id\":\"anna\"}}"));
    char *event = member_event("r1", "chat.member_removed", 3, "ben");
    free(xadd(id, event));
    free(event);
    wait_heard(&fixture, 1);
    wait_acknowledged(&fixture);
    assert_true(find_stored(&ben, &found));
    assert_int_equal(found.at_s, ms / 1000);
    assert_true(found.order == revoker_order(id) && found.order == (ms << 20 | 5));
    assert_true(find_stored(&anna, &found));
    assert_true(found.at_s >= ms / 1000);
    assert_int_equal(redis_ask_number(&fixture.redis, "XLEN", "roomcast:dead", (char *)NULL), 0);
}

static void an_event_that_revokes_nobody_is_a_dead_letter_and_stops_nothing(void **state)
{
    (void)state;
    struct revocation ben = of_user("ben", -1), found;

    free(xadd("*", "{\"event_type\":\"access.revoked\",\"payload\":{\"chat_id\":\"x\"}}"));
    free(xadd("*", "{\"event_type\":\"access.revoked\",\"payload\":{\"user_id\":\"ben\"}}"));
    wait_dead(&fixture, 1);
    wait_notice("ben");
    wait_acknowledged(&fixture);
    assert_true(find_stored(&ben, &found));
}

static void an_entry_is_acknowledged_only_when_its_revocation_is_stored(void **state)
{
    (void)state;
    struct revocation ben = of_user("ben", -1), found;

    faulty_bus_set_up(fixture.revocations_bus, false);
    free(xadd("*", "{\"event_type\":\"access.revoked\",\"payload\":{\"user_id\":\"ben\"}}"));
    wait_notice("ben");
    char *reply = redis_ask(&fixture.redis, "XPENDING", "roomcast:events", "roomcast-relay", (char *)NULL);
    assert_true(strncmp(reply, "*4\r\n:1\r\n", 8) == 0);
    free(reply);
    faulty_bus_set_up(fixture.revocations_bus, true);
    wait_acknowledged(&fixture);
    assert_true(find_stored(&ben, &found));
}

static void the_order_of_an_entry_is_its_place_in_the_stream(void **state)
{
    (void)state;
    assert_true(revoker_order("1764140000000-0") == UINT64_C(1764140000000) << 20);
    assert_true(revoker_order("1764140000000-7") == (UINT64_C(1764140000000) << 20 | 7));
    assert_true(revoker_order("1764140000000-7") > revoker_order("1764140000000-6"));
    assert_true(revoker_order("1764140000001-0") > revoker_order("1764140000000-1048575"));
    assert_int_equal(revoker_order(""), 0);
    assert_int_equal(revoker_order("5"), 0);
    assert_int_equal(revoker_order("-5"), 0);
    assert_int_equal(revoker_order("18446744073709551615-0"), 0);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
#define TEST(name)       cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_HASTY(name) cmocka_unit_test_setup_teardown(name, setup_hasty, teardown)
#define TEST_REDIS(name) cmocka_unit_test_setup_teardown(name, setup_with_redis, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_revocation_posted_is_told_and_stored),
        TEST(a_time_beyond_the_longest_token_or_ahead_of_now_is_cut),
        TEST(bad_revocations_are_refused_whole),
        TEST_HASTY(nodes_hear_of_it_while_nothing_can_be_stored_and_nothing_is_acknowledged),
        TEST_HASTY(a_notice_is_said_again_until_it_is_stored),
        TEST(a_removed_member_is_revoked_and_an_added_one_has_it_lifted),
        TEST(another_writers_records_are_kept),
        TEST_HASTY(all_are_stored_by_a_bus_that_loses_every_other_answer),
        TEST(a_new_relay_goes_on_with_what_is_stored),
        TEST(what_comes_later_counts_as_later_though_another_relays_clock_was_ahead),
        TEST(a_full_shard_refuses_for_now_and_forgets_nothing),
        TEST_REDIS(the_stream_says_when_and_says_the_same_when_it_is_read_again),
        TEST_REDIS(an_event_that_revokes_nobody_is_a_dead_letter_and_stops_nothing),
        TEST_REDIS(an_entry_is_acknowledged_only_when_its_revocation_is_stored),
        cmocka_unit_test(the_order_of_an_entry_is_its_place_in_the_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
