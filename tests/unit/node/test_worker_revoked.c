/* What a worker takes away from its clients. */
#include <string.h>

#include <roomcast/base/clock.h>

#include "worker_fixture.h"

/* The hub is not there: what it would be told is counted. */
static unsigned parts_told;
static void count_part(struct hub_request *request)
{
    parts_told += request->kind == HUB_PART;
    hub_request_free(&request);
}
#define hub_ask(hub, request) ((void)(hub), count_part(request))
#include "worker_questions.c"
#undef hub_ask

/* What is revoked is put into the set by the test. */
#include "revoked.c"

#include "revoked_test.h"

static int connection; /* of everybody: nothing is written within these tests */
static atomic_uint changes;

static void on_change(void *context)
{
    (void)context;
}

static int start_revoking(void **state)
{
    const struct revoked_options options = {
        .config = &world.config, .changes = &changes, .on_change = on_change};

    parts_told = 0;
    if (start(state) != 0)
        return -1;
    return revoked_new(&options, &world.shared.revoked) == ERR_OK ? 0 : -1;
}

static int stop_revoking(void **state)
{
    for (struct client *client = world.worker->clients; client; client = client->next) {
        timer_wheel_cancel(&world.worker->wheel, &client->session.timer);
        client->session.requests = 0;
        client->open = NULL;
    }
    int result = stop(state);
    revoked_free(&world.shared.revoked);
    return result;
}

/* A session of the user, in its own channel. */
static struct client *client_of(const char *name, const char *token_id)
{
    struct room_key user = user_key(name);
    struct client *client = client_of_nobody();

    client->session.claims.user = room_key_store(&user);
    client->session.claims.id = token_id ? strdup(token_id) : NULL;
    client->session.claims.issued_at = 5;
    client->session.connection = &connection;
    assert_non_null(client->session.claims.user);
    assert_int_equal(rooms_join(world.worker->rooms, &user, &client->session.rooms), ERR_OK);
    return client;
}

static void join(struct client *client, const struct room_key *room)
{
    assert_int_equal(rooms_join(world.worker->rooms, room, &client->session.rooms), ERR_OK);
}

static bool is_in(const struct client *client, const struct room_key *room)
{
    return rooms_has(world.worker->rooms, room, &client->session.rooms);
}

static bool is_closing(const struct client *client)
{
    return client->session.state == SESSION_CLOSING && client->session.close_reason == CLOSE_REVOKED;
}

static void revoke(struct revocation revocation)
{
    assert_true(merge(world.shared.revoked, &revocation, 1));
    world.worker->now_ms = clock_monotonic_ms() + REVOKED_REST_MS;
}

static struct uuid uuid_of_chat(unsigned char number)
{
    return (struct uuid){{[15] = number}};
}

static void all_sessions_of_a_revoked_user_end_and_read_nothing_more(void **state)
{
    (void)state;
    struct client *first = client_of("ben", NULL), *second = client_of("ben", NULL),
                  *other = client_of("anna", NULL);
    struct frame *event = frame_new(FRAME_TEXT, SLICE_LITERAL("{}"));

    assert_non_null(event);
    for (unsigned i = 0; i < 5; i++)
        client_send_frame(world.worker, first, event);
    frame_unref(&event);
    revoke(of_user("ben", NULL));
    worker_take_revoked(world.worker);
    assert_true(is_closing(first) && is_closing(second));
    assert_int_equal(first->session.queue.count, second->session.queue.count); /* only the farewell */
    assert_int_equal(other->session.state, SESSION_OPEN);
    worker_take_revoked(world.worker);
    assert_int_equal(other->session.state, SESSION_OPEN);
}

static void a_user_revoked_in_a_chat_loses_that_chat_and_nothing_else(void **state)
{
    (void)state;
    struct client *ben = client_of("ben", NULL), *anna = client_of("anna", NULL);
    struct room_key room = chat(1), other = chat(2);
    struct uuid uuid = uuid_of_chat(1);

    ben->session.claims.all_chats = true;
    join(ben, &room);
    join(ben, &other);
    join(anna, &room);
    struct hub_request *request = hub_request_new(HUB_POSITION, 0, &room, &other);
    assert_non_null(request);
    assert_int_equal(client_may_read(world.worker, ben, &room), true);
    request->purpose = FOR_SUBSCRIBE;
    ben->open = request; /* under way */
    revoke(of_user("ben", &uuid));
    worker_take_revoked(world.worker);
    assert_false(is_in(ben, &room));
    assert_true(is_in(ben, &other) && is_in(anna, &room));
    assert_int_equal(ben->session.state, SESSION_OPEN);
    assert_int_equal(ben->session.queue.count, 1); /* `unsubscribed` */
    assert_int_equal(parts_told, 1);
    assert_true(request->cancelled);
    hub_request_free(&request);
    ben->open = NULL;
    assert_false(client_may_read(world.worker, ben, &room));
    assert_true(client_may_read(world.worker, ben, &other));
    assert_true(client_may_read(world.worker, anna, &room));
    assert_false(client_is_revoked(world.worker, ben));
}

static void a_large_chat_is_closed_in_several_turns(void **state)
{
    (void)state;
    struct room_key room = chat(1), *key = &room;
    struct uuid uuid = uuid_of_chat(1);
    struct revocation closed;
    uint32_t count;

    for (unsigned i = 0; i < 2 * 1024 + 1; i++) {
        char name[24];
        snprintf(name, sizeof name, "u%u", i);
        join(client_of(name, NULL), &room);
    }
    revocation_of_chat(&uuid, &closed);
    closed.until_s = REVOCATION_SECONDS_MAX;
    closed.order = 1;
    revoke(closed);
    revoke(of_user("u0", NULL)); /* waits until the chat is closed */
    worker_take_revoked(world.worker);
    rooms_members(world.worker->rooms, key, &count);
    assert_int_equal(count, 1024 + 1);
    worker_take_revoked(world.worker);
    rooms_members(world.worker->rooms, key, &count);
    assert_int_equal(count, 1);
    worker_take_revoked(world.worker);
    rooms_members(world.worker->rooms, key, &count);
    assert_int_equal(count, 0);
    assert_int_equal(parts_told, 2 * 1024 + 1);
    unsigned closing = 0;
    for (struct client *client = world.worker->clients; client; client = client->next)
        closing += is_closing(client);
    assert_int_equal(closing, 1);
}

static void a_revoked_token_is_searched_for_a_few_times_a_second_at_most(void **state)
{
    (void)state;
    struct client *first = client_of("ben", "t-1"), *second = client_of("ben", "t-2"),
                  *third = client_of("ben", "t-3"), *none = client_of("ben", NULL);

    revoke(of_token("t-1"));
    worker_take_revoked(world.worker);
    worker_look_for_tokens(world.worker);
    assert_true(is_closing(first));
    revoke(of_token("t-2"));
    worker_take_revoked(world.worker);
    worker_look_for_tokens(world.worker);
    assert_false(is_closing(second));
    world.worker->now_ms += 200;
    worker_look_for_tokens(world.worker);
    assert_true(is_closing(second));
    assert_true(third->session.state == SESSION_OPEN && none->session.state == SESSION_OPEN);
}

static void whoever_has_missed_too_much_looks_at_everybody(void **state)
{
    (void)state;
    struct client *ben = client_of("ben", NULL), *anna = client_of("anna", NULL),
                  *cleo = client_of("cleo", "t-1");
    struct room_key room = chat(1);
    struct uuid uuid = uuid_of_chat(1);

    join(anna, &room);
    revoke(of_user("ben", NULL));
    revoke(of_user("anna", &uuid));
    revoke(of_token("t-1"));
    for (unsigned i = 0; i < REMEMBERED; i++) {
        char name[24];
        snprintf(name, sizeof name, "u%u", i);
        revoke(of_user(name, NULL));
    }
    worker_take_revoked(world.worker);
    assert_true(is_closing(ben) && is_closing(cleo));
    assert_false(is_in(anna, &room));
    assert_int_equal(anna->session.state, SESSION_OPEN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_revoking, stop_revoking)
    const struct CMUnitTest tests[] = {
        TEST(all_sessions_of_a_revoked_user_end_and_read_nothing_more),
        TEST(a_user_revoked_in_a_chat_loses_that_chat_and_nothing_else),
        TEST(a_large_chat_is_closed_in_several_turns),
        TEST(a_revoked_token_is_searched_for_a_few_times_a_second_at_most),
        TEST(whoever_has_missed_too_much_looks_at_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
