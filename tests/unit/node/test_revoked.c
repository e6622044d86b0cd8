/* What a node knows of revocations, over the in-process bus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <roomcast/base/random.h>
#include <roomcast/io/bus.h>

/* Messages can be lost on their way to it. */
static enum err lossy_subscribe(struct bus *bus, const char *subject, bus_receive receive, void *context,
                                struct bus_subscription **ret_subscription);
#define bus_subscribe lossy_subscribe
#include "revoked.c"
#undef bus_subscribe

#include "revoked_test.h"

#define WAIT_MS 20000

static struct config config = {.nats_prefix = (char *)"test"};
static struct bus *bus;
static atomic_uint changes, told;
static atomic_bool is_deaf;
static struct revoked *revoked;

static void receive_or_lose(void *context, struct bus_message *message)
{
    if (atomic_load(&is_deaf))
        bus_message_free(&message);
    else
        on_message(context, message);
}

static enum err lossy_subscribe(struct bus *to, const char *subject, bus_receive receive, void *context,
                                struct bus_subscription **ret_subscription)
{
    assert_ptr_equal(receive, on_message);
    return bus_subscribe(to, subject, receive_or_lose, context, ret_subscription);
}

static void on_change(void *context)
{
    (void)context;
    atomic_fetch_add(&told, 1);
}

static int start(void **state)
{
    (void)state;
    const struct bus_memory_options options = {.prefix = "test.rev", .max_bytes = 8u << 20};
    const struct bus_callbacks callbacks = {.on_event = NULL};
    const struct revoked_options of_revoked = {
        .config = &config, .bus = NULL, .changes = &changes, .on_change = on_change};
    atomic_store(&is_deaf, false);
    atomic_store(&told, 0);
    assert_int_equal(bus_memory_new(&options, &callbacks, &bus), ERR_OK);
    struct revoked_options with_bus = of_revoked;
    with_bus.bus = bus;
    return revoked_new(&with_bus, &revoked) == ERR_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    revoked_stop(revoked);
    bus_free(&bus);
    revoked_free(&revoked);
    return 0;
}

static bool not_yet(uint64_t deadline_ms)
{
    const struct timespec pause = {.tv_nsec = 3000000};

    nanosleep(&pause, NULL);
    return clock_monotonic_ms() < deadline_ms;
}

static void begin(void)
{
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    assert_int_equal(revoked_start(revoked), ERR_OK);
    while (!revoked_is_loaded(revoked))
        assert_true(not_yet(deadline));
}

static bool is_revoked(const char *user)
{
    struct room_key key = user_key(user);
    struct token_claims claims = {.user = room_key_store(&key), .issued_at = 5};

    assert_non_null(claims.user);
    enum revocation_kind kind = revoked_find(revoked, &claims, NULL);
    free(claims.user);
    return kind == REVOCATION_USER;
}

static void wait_revoked(const char *user)
{
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    while (!is_revoked(user))
        assert_true(not_yet(deadline));
}

/* Until so many have come. */
static void wait_number(uint64_t number)
{
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    while (atomic_load(&revoked->number) < number)
        assert_true(not_yet(deadline));
}

struct stored {
    atomic_bool is_done;
    _Atomic uint64_t seq;
};

static void on_stored(void *context, const struct bus_store_result *result)
{
    struct stored *stored = context;

    stored->seq = result->status == BUS_STORED ? result->stream_seq : 0;
    atomic_store(&stored->is_done, true);
}

static uint64_t heads[REVOCATION_SHARDS]; /* stream sequences of what was stored */

static void store_bytes(unsigned shard, struct slice bytes)
{
    static unsigned number;
    struct stored stored = {.is_done = false};
    char subject[SUBJECT_SIZE], id[24];
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    subject_format_revocation_shard("test", SUBJECT_EVENT, shard, subject);
    snprintf(id, sizeof id, "m%u", number++);
    const struct bus_store_request request = {
        .subject = subject, .message_id = id, .expect_last = heads[shard], .data = bytes, .timeout_ms = 1000};
    bus_store(bus, &request, on_stored, &stored);
    while (!atomic_load(&stored.is_done))
        assert_true(not_yet(deadline));
    assert_true(stored.seq > 0);
    heads[shard] = stored.seq;
}

static int start_empty(void **state)
{
    memset(heads, 0, sizeof heads);
    return start(state);
}

static void store(const struct revocation *records, size_t count)
{
    struct buffer bytes;

    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    assert_int_equal(revocations_encode(records, count, &bytes), ERR_OK);
    store_bytes(revocation_shard(&records[0]), buffer_slice(&bytes));
    buffer_fini(&bytes);
}

static void tell(const struct revocation *records, size_t count)
{
    char subject[SUBJECT_SIZE];
    struct buffer bytes;

    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    subject_format_revocation_notice("test", subject);
    assert_int_equal(revocations_encode(records, count, &bytes), ERR_OK);
    assert_int_equal(bus_publish(bus, subject, buffer_slice(&bytes)), ERR_OK);
    buffer_fini(&bytes);
}

/* --- tests --- */

static void what_is_stored_is_known_when_the_node_says_that_it_is_loaded(void **state)
{
    (void)state;
    struct revocation ben = of_user("ben", NULL), dora = of_user("dora", NULL);

    store(&ben, 1);
    store(&dora, 1);
    assert_false(revoked_is_loaded(revoked));
    begin();
    assert_true(is_revoked("ben") && is_revoked("dora"));
    assert_false(is_revoked("cleo"));
}

static void without_any_set_nothing_is_revoked_and_that_is_known(void **state)
{
    (void)state;
    uint64_t seen = 0;
    struct revocation revocation;
    struct token_claims claims = {.id = NULL};

    assert_true(revoked_is_loaded(NULL));
    assert_int_equal(revoked_find(NULL, &claims, NULL), 0);
    assert_int_equal(revoked_next(NULL, UINT64_MAX, &seen, &revocation), REVOKED_NOTHING);
}

static void what_comes_is_told_once_whichever_way_it_comes(void **state)
{
    (void)state;
    struct revocation ben = of_user("ben", NULL), dora = of_user("dora", NULL), next;
    uint64_t seen = 0;

    begin();
    tell(&ben, 1);
    wait_revoked("ben");
    store(&ben, 1); /* what the notice said */
    store(&dora, 1);
    wait_revoked("dora");
    assert_int_equal(revoked_next(revoked, UINT64_MAX, &seen, &next), REVOKED_ONE);
    assert_string_equal(next.id, "ben");
    assert_int_equal(revoked_next(revoked, UINT64_MAX, &seen, &next), REVOKED_ONE);
    assert_string_equal(next.id, "dora");
    assert_int_equal(revoked_next(revoked, UINT64_MAX, &seen, &next), REVOKED_NOTHING);
    assert_true(atomic_load(&told) >= 1);
}

static void who_is_in_a_deleted_chat_stays_until_the_event_that_says_so_may_have_come(void **state)
{
    (void)state;
    struct revocation dora = of_user("dora", NULL), chat = of_chat(7), next;
    uint64_t seen = 0, before_ms = clock_monotonic_ms();

    begin();
    tell(&dora, 1);
    wait_revoked("dora");
    tell(&chat, 1);
    wait_number(2);
    assert_int_equal(revoked_next(revoked, before_ms, &seen, &next), REVOKED_ONE);
    assert_string_equal(next.id, "dora"); /* who may do nothing any more goes at once */
    assert_int_equal(revoked_next(revoked, before_ms + REVOKED_REST_MS - 1, &seen, &next), REVOKED_NOTHING);
    assert_int_equal(revoked_next(revoked, clock_monotonic_ms() + REVOKED_REST_MS, &seen, &next),
                     REVOKED_ONE);
    assert_int_equal(next.kind, REVOCATION_CHAT);
}

static void what_is_known_is_not_taken_back_by_who_says_less(void **state)
{
    (void)state;
    struct revocation ben = of_user("ben", NULL), other;
    unsigned number = 0;
    char name[24];

    do { /* in the same shard */
        snprintf(name, sizeof name, "u%u", number++);
        other = of_user(name, NULL);
    } while (revocation_shard(&other) != revocation_shard(&ben));
    begin();
    tell(&ben, 1);
    wait_revoked("ben");
    store(&other, 1);
    wait_revoked(name);
    assert_true(is_revoked("ben"));
}

static void what_was_missed_is_read_when_the_bus_says_that_it_may_have_been(void **state)
{
    (void)state;
    struct revocation ben = of_user("ben", NULL), dora = of_user("dora", NULL);

    begin();
    atomic_store(&is_deaf, true);
    store(&ben, 1);
    tell(&ben, 1);
    assert_false(is_revoked("ben"));
    atomic_fetch_add(&changes, 1);
    wait_revoked("ben");
    store(&dora, 1); /* and when nobody says anything, after a while */
    wait_revoked("dora");
}

static void a_jump_in_the_stream_shows_what_was_missed(void **state)
{
    (void)state;
    struct revocation ben = of_user("ben", NULL), dora = of_user("dora", NULL), cleo = of_user("cleo", NULL);
    uint64_t start_ms;

    store(&cleo, 1);
    begin();
    atomic_store(&is_deaf, true);
    store(&ben, 1);
    atomic_store(&is_deaf, false);
    start_ms = clock_monotonic_ms();
    store(&dora, 1);
    wait_revoked("ben");
    assert_true(clock_monotonic_ms() - start_ms < REVOKED_VERIFY_MS - 1000); /* not by the regular look */
}

static void what_a_newer_release_wrote_keeps_the_node_from_serving(void **state)
{
    (void)state;
    struct revocation ben = of_user("ben", NULL), other = of_user("dora", NULL);
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    assert_true(revocation_shard(&ben) != revocation_shard(&other));
    store(&ben, 1);
    store_bytes(revocation_shard(&other), SLICE_LITERAL("\x08\x02"));
    assert_int_equal(revoked_start(revoked), ERR_OK);
    wait_revoked("ben");
    assert_false(revoked_is_loaded(revoked));
    store(&other, 1);
    while (!revoked_is_loaded(revoked))
        assert_true(not_yet(deadline));
    assert_true(is_revoked("dora"));
}

static void what_is_no_record_stops_nothing(void **state)
{
    (void)state;
    char subject[SUBJECT_SIZE];
    struct revocation ben = of_user("ben", NULL);

    store_bytes(5, SLICE_LITERAL("garbage"));
    begin();
    subject_format_revocation_notice("test", subject);
    assert_int_equal(bus_publish(bus, subject, SLICE_LITERAL("\xff")), ERR_OK);
    tell(&ben, 1);
    wait_revoked("ben");
}

static void who_fell_far_behind_is_told_to_look_at_everybody(void **state)
{
    (void)state;
    struct revocation *many = calloc(REMEMBERED + 1, sizeof *many), next;
    uint64_t seen = 0;
    char name[24];

    assert_non_null(many);
    for (unsigned i = 0; i <= REMEMBERED; i++) {
        snprintf(name, sizeof name, "u%u", i);
        many[i] = of_user(name, NULL);
    }
    begin();
    tell(many, REMEMBERED + 1);
    wait_revoked(name);
    assert_int_equal(revoked_next(revoked, UINT64_MAX, &seen, &next), REVOKED_MANY);
    assert_int_equal(revoked_next(revoked, UINT64_MAX, &seen, &next), REVOKED_NOTHING);
    seen = 1; /* one less is remembered whole */
    for (unsigned i = 1; i <= REMEMBERED; i++)
        assert_int_equal(revoked_next(revoked, UINT64_MAX, &seen, &next), REVOKED_ONE);
    assert_string_equal(next.id, name);
    assert_int_equal(revoked_next(revoked, UINT64_MAX, &seen, &next), REVOKED_NOTHING);
    free(many);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_empty, stop)
    const struct CMUnitTest tests[] = {
        TEST(who_is_in_a_deleted_chat_stays_until_the_event_that_says_so_may_have_come),
        TEST(what_is_stored_is_known_when_the_node_says_that_it_is_loaded),
        TEST(without_any_set_nothing_is_revoked_and_that_is_known),
        TEST(what_comes_is_told_once_whichever_way_it_comes),
        TEST(what_is_known_is_not_taken_back_by_who_says_less),
        TEST(what_was_missed_is_read_when_the_bus_says_that_it_may_have_been),
        TEST(a_jump_in_the_stream_shows_what_was_missed),
        TEST(what_a_newer_release_wrote_keeps_the_node_from_serving),
        TEST(what_is_no_record_stops_nothing),
        TEST(who_fell_far_behind_is_told_to_look_at_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
