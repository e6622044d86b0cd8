/* The NATS bus while its server is away, wrong, or slow. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/random.h>

#include "bus_fixture.h"
#include "raw_client.h"

static bool send_at_once; /* of the buses of this run */

static int make_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    world->adapter = ADAPTER_NATS;
    world->send_at_once = send_at_once;
    box_init(&world->box);
    world->answers = (struct counter)COUNTER_INIT;
    nats_process_init(&world->nats);
    *state = world;
    return 0;
}

static int free_world(void **state)
{
    struct world *world = *state;

    bus_free(&world->bus);
    nats_process_fini(&world->nats);
    box_fini(&world->box);
    free(world);
    return 0;
}

/* Another bus of the same server and stream. */
static void second_bus(struct world *world, struct world *second)
{
    *second =
        (struct world){.adapter = ADAPTER_NATS, .send_at_once = world->send_at_once, .nats = world->nats};
    memcpy(second->prefix, world->prefix, sizeof second->prefix);
    memcpy(second->stream, world->stream, sizeof second->stream);
    world_connect(second, NULL);
    assert_true(counter_reaches(&second->ups, 1));
}

/* Stores until it is stored: what a relay does after an election or a restart. `tried`: there was an attempt
 * without an answer already. Such a one may have been stored, and which check the server makes first then, id
 * or fence, differs by version. */
static void store_at_last(struct world *world, const char *name, const char *id, uint64_t expect_last,
                          bool tried)
{
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;
    struct bus_store_result result;

    do {
        assert_true(clock_monotonic_ms() < deadline);
        result = store_now(world, name, id, expect_last, id);
        assert_true(result.status != BUS_REFUSED && (result.status != BUS_FENCED || tried));
        tried = tried || result.status == BUS_UNKNOWN;
    } while (result.status == BUS_UNAVAILABLE || result.status == BUS_UNKNOWN);
}

static void count_unavailable(void *context, const struct bus_last_result *result)
{
    assert_int_equal(result->status, BUS_LAST_UNAVAILABLE);
    counter_add(context, 1);
}

static void count_none(void *context, const struct bus_answer *answer)
{
    assert_int_equal(answer->status, BUS_ANSWER_NONE);
    counter_add(context, 1);
}

static void a_server_that_comes_later_is_found(void **state)
{
    struct world *world = *state;
    struct box *box = &world->box;
    char problem[256];

    world_connect(world, NULL);
    struct bus_subscription *subscription =
        box_subscribe(box, world->bus, subject_of(world, "live", "chat.1"));
    struct bus_subscription *unwanted = box_subscribe(box, world->bus, subject_of(world, "live", "chat.1"));
    box_leave(box, world->bus, &unwanted);
    assert_false(bus_is_up(world->bus));
    assert_int_equal(bus_publish(world->bus, subject_of(world, "sig", "x"), SLICE_LITERAL("x")),
                     ERR_UNAVAILABLE);
    assert_int_equal(bus_ensure_stream(world->bus, &stream_options, problem), ERR_UNAVAILABLE);
    assert_int_equal(store_now(world, "chat.1", "early", 0, "early").status, BUS_UNAVAILABLE);
    assert_int_equal(last_now(world, "chat.1").status, BUS_LAST_UNAVAILABLE);
    assert_int_equal(read_now(world, "chat.1", 1, BUS_ANY_COPY).status, BUS_LAST_UNAVAILABLE);
    bus_ask(world->bus, subject_of(world, "authz", "x"), SLICE_LITERAL("x"), 2 * WAIT_MS, count_none,
            &world->answers);
    assert_true(counter_reaches(&world->answers, 1));
    nats_process_start(&world->nats);
    world_ready(world);
    store_good(world, "chat.1", "late", 0, "late");
    assert_string_equal(box_letter(box, 0).data, "late");
    assert_int_equal(counter_get(&world->downs), 0);
    box_leave(box, world->bus, &subscription);
}

static void a_restarted_server_is_found_again(void **state)
{
    struct world *world = *state;
    struct box *box = &world->box;

    nats_process_start(&world->nats);
    world_connect(world, NULL);
    struct bus_subscription *subscription =
        box_subscribe(box, world->bus, subject_of(world, "live", "chat.1"));
    struct bus_subscription *leaver = box_subscribe(box, world->bus, subject_of(world, "sig", "leaver"));
    world_ready(world);
    uint64_t first = store_good(world, "chat.1", "first", 0, "first");
    box_letter(box, 0);

    nats_process_stop(&world->nats);
    assert_true(counter_reaches(&world->downs, 1));
    uint64_t start = clock_monotonic_ms();
    assert_int_equal(store_now(world, "chat.1", "down", first, "down").status, BUS_UNAVAILABLE);
    assert_true(clock_monotonic_ms() - start < 4000); /* not by the store's time, 5 s */
    assert_int_equal(bus_publish(world->bus, subject_of(world, "sig", "x"), SLICE_LITERAL("x")),
                     ERR_UNAVAILABLE);
    box_leave(box, world->bus, &leaver);
    struct bus_subscription *joiner = box_subscribe(box, world->bus, subject_of(world, "sig", "joiner"));

    nats_process_start(&world->nats);
    assert_true(counter_reaches(&world->ups, 2));
    assert_int_equal(last_now(world, "chat.1").stream_seq, first);
    store_at_last(world, "chat.1", "second", first, false);
    assert_string_equal(box_letter(box, 1).data, "second");
    assert_int_equal(bus_publish(world->bus, subject_of(world, "sig", "joiner"), SLICE_LITERAL("hi")),
                     ERR_OK);
    assert_string_equal(box_letter(box, 2).data, "hi");
    box_leave(box, world->bus, &joiner);
    box_leave(box, world->bus, &subscription);
}

static void count_store(void *context, const struct bus_store_result *result)
{
    assert_true(result->status == BUS_UNKNOWN || result->status == BUS_UNAVAILABLE);
    counter_add(context, 1);
}

/* Frozen, so that the requests are sent and cannot be answered; then killed. */
static void what_was_sent_when_the_server_died_is_unknown(void **state)
{
    struct world *world = *state;
    struct counter *answers = &world->answers;

    nats_process_start(&world->nats);
    world_connect(world, NULL);
    world_ready(world);
    nats_process_freeze(&world->nats);
    for (unsigned i = 0; i < 20; i++) {
        char name[24];
        snprintf(name, sizeof name, "chat.%u", i);
        struct bus_store_request request = {.subject = subject_of(world, "ev", name),
                                            .message_id = name,
                                            .data = SLICE_LITERAL("x"),
                                            .timeout_ms = 60000};
        bus_store(world->bus, &request, count_store, answers);
    }
    nats_process_stop(&world->nats);
    assert_true(counter_reaches(answers, 20));
    assert_true(counter_reaches(&world->downs, 1));
}

static void a_deadline_holds_while_the_server_is_frozen(void **state)
{
    struct world *world = *state;
    struct box *box = &world->box;

    nats_process_start(&world->nats);
    world_connect(world, NULL);
    world_ready(world);
    struct bus_subscription *subscription = box_subscribe(box, world->bus, subject_of(world, "sig", "x"));
    nats_process_freeze(&world->nats);
    /* Unsubscribing waits for the server in a thread of its own, and must not delay the answer. */
    bus_unsubscribe(world->bus, &subscription, box_released);
    struct bus_store_request request = {.subject = subject_of(world, "ev", "chat.1"),
                                        .message_id = "frozen",
                                        .data = SLICE_LITERAL("x"),
                                        .timeout_ms = 300};
    uint64_t start = clock_monotonic_ms();
    assert_int_equal(store_request_now(world->bus, &request).status, BUS_UNKNOWN);
    uint64_t took = clock_monotonic_ms() - start;
    assert_true(took >= 300 && took < 20000);
    nats_process_thaw(&world->nats);
    assert_true(counter_reaches(&box->released, 1));
    store_at_last(world, "chat.1", "frozen", 0, true);
}

static void reads_and_questions_end_by_their_deadline_while_the_server_is_frozen(void **state)
{
    static const enum bus_copy copies[] = {BUS_ANY_COPY, BUS_LEADER_COPY};
    struct world *world = *state;
    struct counter *answers = &world->answers;

    nats_process_start(&world->nats);
    world_connect(world, NULL);
    world_ready(world);
    uint64_t seq = store_good(world, "chat.1", "one", 0, "one");
    nats_process_freeze(&world->nats);
    uint64_t start = clock_monotonic_ms();
    for (unsigned i = 0; i < 100; i++)
        bus_read(world->bus, subject_of(world, "ev", "chat.1"), seq, copies[i % 2], 300, count_unavailable,
                 answers);
    assert_true(counter_reaches(answers, 100));
    uint64_t took = clock_monotonic_ms() - start;
    assert_true(took >= 300 && took < 20000);
    start = clock_monotonic_ms();
    bus_ask(world->bus, subject_of(world, "authz", "x"), SLICE_LITERAL("x"), 300, count_none, answers);
    assert_true(counter_reaches(answers, 101));
    took = clock_monotonic_ms() - start;
    assert_true(took >= 300 && took < 20000);
    nats_process_thaw(&world->nats);
    /* The late answers belong to nobody. */
    assert_int_equal(read_now(world, "chat.1", seq, BUS_ANY_COPY).status, BUS_LAST_FOUND);
    assert_int_equal(read_now(world, "chat.1", seq, BUS_LEADER_COPY).status, BUS_LAST_FOUND);
    assert_int_equal(counter_get(answers), 101);
}

/* A server puts its headers behind those of the publisher, and the client library finds the first ones. */
static void stored_headers_do_not_pass_for_the_servers(void **state)
{
    static const char headers[] = "NATS/1.0\r\nNats-Stream: x\r\nNats-Subject: x\r\nNats-Sequence: 7\r\n"
                                  "Status: 404\r\n\r\n";
    struct world *world = *state;
    struct raw_client publisher;
    struct box *box = &world->box;
    char text[512];

    nats_process_start(&world->nats);
    world_connect(world, NULL);
    world_ready(world);
    struct bus_subscription *live = box_subscribe(box, world->bus, subject_of(world, "live", "chat.1"));
    assert_int_equal(last_now(world, "chat.1").status, BUS_LAST_NONE); /* it has reached the server */
    raw_open(&publisher, world->nats.port);
    snprintf(text, sizeof text, "CONNECT {\"headers\":true}\r\nHPUB %s %zu %zu\r\n%sdata\r\n",
             subject_of(world, "ev", "chat.1"), sizeof headers - 1, sizeof headers - 1 + 4, headers);
    raw_send_text(&publisher, text);
    box_letter(box, 0);
    for (int copy = BUS_ANY_COPY; copy <= BUS_LEADER_COPY; copy++) {
        struct last_copy read = read_now(world, "chat.1", 1, (enum bus_copy)copy);
        assert_int_equal(read.status, BUS_LAST_FOUND);
        assert_int_equal(read.len, 4);
        assert_memory_equal(read.data, "data", 4);
    }
    raw_close(&publisher);
    box_leave(box, world->bus, &live);
}

#define REFUSED "authentication error"

/* nats.c closes a connection for good when its credentials are refused twice. */
static void refused_credentials_are_tried_again(void **state)
{
    struct world *world = *state;
    struct box *box = &world->box;
    char url[128];

    world->nats.user = "relay";
    world->nats.password = "right";
    nats_process_url(&world->nats, "nats", url);
    world->nats.password = "wrong";
    nats_process_start(&world->nats);
    world_connect(world, url);
    struct bus_subscription *subscription =
        box_subscribe(box, world->bus, subject_of(world, "live", "chat.1"));
    struct bus_subscription *leaver = box_subscribe(box, world->bus, subject_of(world, "live", "chat.1"));
    box_leave(box, world->bus, &leaver);
    nats_process_wait_log(&world->nats, REFUSED, 3);
    assert_false(bus_is_up(world->bus));
    nats_process_stop(&world->nats);
    world->nats.password = "right";
    nats_process_start(&world->nats);
    world_ready(world);
    store_good(world, "chat.1", "one", 0, "one");
    assert_string_equal(box_letter(box, 0).data, "one");

    /* The same while it was up: what was attached moves to the next connection. */
    nats_process_stop(&world->nats);
    assert_true(counter_reaches(&world->downs, 1));
    unsigned refused = nats_process_count_log(&world->nats, REFUSED);
    world->nats.password = "wrong";
    nats_process_start(&world->nats);
    leaver = box_subscribe(box, world->bus, subject_of(world, "live", "chat.1"));
    box_leave(box, world->bus, &leaver);
    /* Two refusals end the connection; the next comes from another one. */
    nats_process_wait_log(&world->nats, REFUSED, refused + 3);
    nats_process_stop(&world->nats);
    world->nats.password = "right";
    nats_process_start(&world->nats);
    assert_true(counter_reaches(&world->ups, 2));
    store_at_last(world, "chat.1", "two", last_now(world, "chat.1").stream_seq, false);
    assert_string_equal(box_letter(box, 1).data, "two");
    box_leave(box, world->bus, &subscription);
}

static void tls_is_not_given_up_for_plain_text(void **state)
{
    struct world *world = *state;
    char url[128];

    nats_process_start(&world->nats);
    nats_process_url(&world->nats, "tls", url);
    world_connect(world, url);
    struct world plain = {.adapter = ADAPTER_NATS, .nats = world->nats};
    world_connect(&plain, NULL);
    assert_true(counter_reaches(&plain.ups, 1));
    assert_false(bus_is_up(world->bus));
    assert_int_equal(bus_publish(world->bus, subject_of(world, "sig", "x"), SLICE_LITERAL("x")),
                     ERR_UNAVAILABLE);
    bus_free(&plain.bus);
}

static void a_message_beyond_the_servers_limit_is_refused(void **state)
{
    struct world *world = *state;
    size_t len = (1 << 20) + 1; /* the default max_payload is 1 MiB */
    char *data = calloc(1, len);

    assert_non_null(data);
    nats_process_start(&world->nats);
    world_connect(world, NULL);
    world_ready(world);
    struct bus_store_request request = {.subject = subject_of(world, "ev", "chat.1"),
                                        .message_id = "large",
                                        .data = {data, len},
                                        .timeout_ms = 5000};
    assert_int_equal(store_request_now(world->bus, &request).status, BUS_REFUSED);
    assert_int_equal(bus_publish(world->bus, subject_of(world, "sig", "x"), request.data), ERR_TOO_BIG);
    store_good(world, "chat.1", "small", 0, "small");
    free(data);
}

static void without_a_stream_nothing_is_stored(void **state)
{
    struct world *world = *state;
    struct counter *answers = &world->answers;

    nats_process_start(&world->nats);
    world_connect(world, NULL);
    assert_true(counter_reaches(&world->ups, 1));
    assert_int_equal(store_now(world, "chat.1", "one", 0, "one").status, BUS_UNAVAILABLE);
    assert_int_equal(last_now(world, "chat.1").status, BUS_LAST_UNAVAILABLE);
    assert_int_equal(read_now(world, "chat.1", 1, BUS_LEADER_COPY).status, BUS_LAST_UNAVAILABLE);
    /* Nobody answers: each server of a stream would do it for itself. */
    bus_read(world->bus, subject_of(world, "ev", "chat.1"), 1, BUS_ANY_COPY, 100, count_unavailable, answers);
    assert_true(counter_reaches(answers, 1));
    world_ready(world);
    store_good(world, "chat.1", "one", 0, "one");
}

static void a_stream_of_another_shape_is_a_conflict(void **state)
{
    struct world *world = *state;
    struct world second;
    struct bus_stream_options other = stream_options;
    char problem[256] = "";

    nats_process_start(&world->nats);
    world_connect(world, NULL);
    world_ready(world);
    world_ready(world);
    other.max_age_s = 7200; /* a limit: accepted, with a warning in the log */
    assert_int_equal(bus_ensure_stream(world->bus, &other, problem), ERR_OK);

    second_bus(world, &second);
    bus_free(&second.bus);
    strcpy(second.prefix, "elsewhere"); /* the same stream name, other subjects */
    world_connect(&second, NULL);
    assert_true(counter_reaches(&second.ups, 1));
    assert_int_equal(bus_ensure_stream(second.bus, &stream_options, problem), ERR_CONFLICT);
    assert_non_null(strstr(problem, "subjects"));
    assert_non_null(strstr(problem, world->prefix));
    assert_non_null(strstr(problem, "elsewhere.ev.>"));
    bus_free(&second.bus);

    strcpy(second.prefix, world->prefix); /* another stream name, the same subjects */
    strcpy(second.stream, "another");
    world_connect(&second, NULL);
    assert_true(counter_reaches(&second.ups, 1));
    assert_int_equal(bus_ensure_stream(second.bus, &stream_options, problem), ERR_CONFLICT);
    other.replicas = 3; /* no cluster */
    strcpy(second.prefix, "three");
    bus_free(&second.bus);
    world_connect(&second, NULL);
    assert_true(counter_reaches(&second.ups, 1));
    assert_int_equal(bus_ensure_stream(second.bus, &other, problem), ERR_CONFIG);
    bus_free(&second.bus);
}

/* Of each the first subjects are taken: nothing is made beside what is there, and nothing stored. */
static void another_number_of_streams_is_a_conflict_both_ways(void **state)
{
    static const unsigned numbers[][2] = {{0, 4}, {4, 0}, {4, 8}, {8, 4}, {3, 4}};
    struct world *world = *state;
    struct world second;
    char problem[256] = "";

    nats_process_start(&world->nats);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        world->prefix[0] = '\0';
        world->shards = numbers[i][0];
        world_connect(world, NULL);
        world_ready(world);
        second_bus(world, &second);
        bus_free(&second.bus);
        second.shards = numbers[i][1];
        world_connect(&second, NULL);
        assert_true(counter_reaches(&second.ups, 1));
        assert_int_equal(bus_ensure_stream(second.bus, &stream_options, problem), ERR_CONFLICT);
        assert_non_null(strstr(problem, "stream.shards"));
        assert_int_equal(store_now(&second, "chat.1", "one", 0, "x").status, BUS_UNAVAILABLE);
        for (unsigned shard = 0; shard < bus_shards_count(second.bus); shard++) {
            struct last_copy extent = extent_now(&second, shard);
            assert_int_equal(extent.status, BUS_LAST_UNAVAILABLE);
            assert_true(extent.is_no_stream);
        }
        store_good(world, "chat.1", "one", 0, "x");
        bus_free(&second.bus);
        bus_free(&world->bus);
    }
}

static void each_of_several_streams_has_its_shape(void **state)
{
    struct world *world = *state;
    struct world other;
    char problem[256] = "", name[32];

    nats_process_start(&world->nats);
    strcpy(world->prefix, "other");
    strcpy(world->stream, "events_2of3"); /* by hand, so to say: the name of a shard of the one below */
    world_connect(world, NULL);
    world_ready(world);
    second_bus(world, &other);
    bus_free(&other.bus);
    strcpy(other.prefix, "p");
    strcpy(other.stream, "events");
    other.shards = 3;
    world_connect(&other, NULL);
    assert_true(counter_reaches(&other.ups, 1));
    assert_int_equal(bus_ensure_stream(other.bus, &stream_options, problem), ERR_CONFLICT);
    assert_string_equal(problem, "events_2of3: stream setting subjects is other.ev.>, wanted is p.ev.2.>");
    snprintf(name, sizeof name, "%s", name_in(&other, "chat.1", 1)); /* a stream that is right works */
    store_good(&other, name, "one", 0, "x");
    bus_free(&other.bus);
    bus_free(&world->bus);
}

struct maker {
    struct world world;
    enum err err;
    char problem[256];
    pthread_t thread;
};

static void *make_stream(void *arg)
{
    struct maker *maker = arg;

    maker->err = bus_ensure_stream(maker->world.bus, &stream_options, maker->problem);
    return NULL;
}

static void two_may_make_the_stream_at_once(void **state)
{
    struct world *world = *state;
    struct maker makers[2];

    nats_process_start(&world->nats);
    world_connect(world, NULL);
    for (size_t i = 0; i < 2; i++)
        second_bus(world, &makers[i].world);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&makers[i].thread, NULL, make_stream, &makers[i]), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(makers[i].thread, NULL);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(makers[i].err, ERR_OK);
        bus_free(&makers[i].world.bus);
    }
}

static void another_bus_hears_what_is_stored_and_signalled(void **state)
{
    struct world *world = *state;
    struct world second;
    struct box *box = &world->box;

    nats_process_start(&world->nats);
    world_connect(world, NULL);
    world_ready(world);
    second_bus(world, &second);
    struct bus_subscription *live = box_subscribe(box, second.bus, subject_of(world, "live", "chat.1"));
    struct bus_subscription *signals = box_subscribe(box, second.bus, subject_of(world, "sig", "x"));
    assert_int_equal(last_now(&second, "chat.1").status, BUS_LAST_NONE); /* both have reached the server */
    store_good(world, "chat.1", "one", 0, "one");
    assert_string_equal(box_letter(box, 0).data, "one");
    assert_int_equal(bus_publish(world->bus, subject_of(world, "sig", "x"), SLICE_LITERAL("two")), ERR_OK);
    assert_string_equal(box_letter(box, 1).data, "two");
    box_leave(box, second.bus, &live);
    box_leave(box, second.bus, &signals);
    bus_free(&second.bus);
}

/* The server's part is played by hand: the adapter cannot tell. With real elections: tests/integration,
 * test_faults.py. */
static void elections_of_our_streams_are_told_through_reconnects(void **state)
{
    struct world *world = *state;
    char ours[96], other[128];

    nats_process_start(&world->nats);
    world->shards = 3;
    world_connect(world, NULL);
    world_ready(world);
    snprintf(ours, sizeof ours, "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.%s_1of3", world->stream);
    snprintf(other, sizeof other, "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.%s", world->stream);
    for (size_t run = 1; run <= 2; run++) {
        assert_int_equal(bus_publish(world->bus, other, SLICE_LITERAL("{}")), ERR_OK);
        assert_int_equal(last_now(world, "chat.1").status, BUS_LAST_NONE); /* it has come, if it had to */
        assert_int_equal(counter_get(&world->elections[1]), run - 1);
        assert_int_equal(bus_publish(world->bus, ours, SLICE_LITERAL("{}")), ERR_OK);
        assert_true(counter_reaches(&world->elections[1], run));
        nats_process_stop(&world->nats);
        assert_true(counter_reaches(&world->downs, run));
        nats_process_start(&world->nats);
        assert_true(counter_reaches(&world->ups, run + 1));
    }
    bus_free(&world->bus);
    assert_int_equal(counter_get(&world->elections[1]), 2);
    assert_int_equal(counter_get(&world->elections[0]) + counter_get(&world->elections[2]), 0);
}

static size_t threads_now(void)
{
    DIR *tasks = opendir("/proc/self/task");
    size_t count = 0;

    assert_non_null(tasks);
    for (const struct dirent *task; (task = readdir(tasks)) != NULL;)
        count += task->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* The kernel lists a thread for a moment after it was joined. */
static bool threads_become(size_t count)
{
    uint64_t deadline = clock_monotonic_ms() + WAIT_MS;

    while (threads_now() != count)
        if (clock_monotonic_ms() > deadline)
            return false;
    return true;
}

/* Some of the messages are still held back when the library is closed: the next opening frees them. */
static void the_library_ends_with_its_threads_and_opens_again(void **state)
{
    enum { MESSAGES = 100 };
    struct world *world = *state;

    nats_process_start(&world->nats);
    bus_nats_close_library(); /* what the tests before have opened */
    size_t threads = threads_now();
    for (size_t run = 1; run <= 2; run++) {
        world_connect(world, NULL);
        assert_true(counter_reaches(&world->ups, 1));
        struct bus_subscription *signals =
            box_subscribe(&world->box, world->bus, subject_of(world, "sig", "x"));
        for (size_t i = 0; i < MESSAGES; i++)
            assert_int_equal(bus_publish(world->bus, subject_of(world, "sig", "x"), SLICE_LITERAL("one")),
                             ERR_OK);
        assert_string_equal(box_letter(&world->box, run * MESSAGES - 1).data, "one");
        box_leave(&world->box, world->bus, &signals);
        bus_free(&world->bus);
        assert_true(threads_now() > threads);
        bus_nats_close_library();
        assert_true(threads_become(threads));
    }
    bus_nats_close_library(); /* harmless */
}

static void bad_urls_are_refused_without_their_password(void **state)
{
    static const char *const bad[] = {"",
                                      "127.0.0.1:4222",
                                      "http://127.0.0.1:4222",
                                      "nats://",
                                      "nats://:4222",
                                      "nats://host:0",
                                      "nats://host:65536",
                                      "nats://host:42x",
                                      "nats://host:",
                                      "nats://[::1:4222",
                                      "nats://host:4222/path",
                                      "nats://@host:4222",
                                      "nats://ho st:4222",
                                      "nats://user:secret@host:99999"};
    struct bus *bus = NULL;
    char problem[256];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bus_nats_options options = {
            .urls = &bad[i], .urls_count = 1, .name = "n", .prefix = "p", .stream = "s"};
        assert_int_equal(bus_nats_new(&options, NULL, &bus, problem), ERR_CONFIG);
        assert_null(bus);
        assert_null(strstr(problem, "secret"));
        assert_true(strlen(problem) > 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_world, free_world)

/* Any argument: the bus writes each message by itself, as the relay's. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_server_that_comes_later_is_found),
        TEST(a_restarted_server_is_found_again),
        TEST(what_was_sent_when_the_server_died_is_unknown),
        TEST(a_deadline_holds_while_the_server_is_frozen),
        TEST(reads_and_questions_end_by_their_deadline_while_the_server_is_frozen),
        TEST(stored_headers_do_not_pass_for_the_servers),
        TEST(refused_credentials_are_tried_again),
        TEST(tls_is_not_given_up_for_plain_text),
        TEST(a_message_beyond_the_servers_limit_is_refused),
        TEST(without_a_stream_nothing_is_stored),
        TEST(a_stream_of_another_shape_is_a_conflict),
        TEST(two_may_make_the_stream_at_once),
        TEST(another_bus_hears_what_is_stored_and_signalled),
        TEST(another_number_of_streams_is_a_conflict_both_ways),
        TEST(each_of_several_streams_has_its_shape),
        TEST(elections_of_our_streams_are_told_through_reconnects),
        TEST(the_library_ends_with_its_threads_and_opens_again),
        cmocka_unit_test(bad_urls_are_refused_without_their_password),
    };

    (void)argv;
    send_at_once = argc > 1;
    if (random_init() != ERR_OK)
        return 1;
    log_init(LOG_WARN, LOG_LOGFMT, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
