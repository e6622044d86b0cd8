/* What operators are shown of the connections of one worker. */
#include "worker_fixture.h"

#include <string.h>

#include "console_task.h"

#define CHAT    1
#define MEMBERS 40

static struct console_task *ask(enum console_kind kind, const struct room_key *room, size_t part_bytes)
{
    struct console_task *task = calloc(1, sizeof *task + sizeof task->parts[0]);
    assert_non_null(task);
    task->kind = kind;
    task->room = *room;
    task->parts_count = 1;
    buffer_init(&task->parts[0].first, part_bytes);
    buffer_init(&task->parts[0].second, part_bytes);
    atomic_init(&task->open, 2); /* nobody is answered */
    worker_work_for_console(world.worker, task);
    return task;
}

static void release(struct console_task *task)
{
    buffer_fini(&task->parts[0].first);
    buffer_fini(&task->parts[0].second);
    free(task);
}

static unsigned count_of(struct buffer *list, const char *text)
{
    unsigned count = 0;
    for (const char *found = buffer_text(list); (found = strstr(found, text)); found++)
        count++;
    return count;
}

/* Objects with commas between, each from its brace to its own. */
static unsigned whole_objects(struct buffer *list)
{
    const char *text = buffer_text(list);
    unsigned objects = count_of(list, "{\"session\":"), depth = 0;
    assert_non_null(text);
    for (size_t i = 0; i < list->len; i++) {
        depth += text[i] == '{';
        depth -= text[i] == '}';
        assert_true(depth > 0 || text[i] == '}' || text[i] == ',');
    }
    assert_int_equal(depth, 0);
    return objects;
}

static struct room_key make_members(void)
{
    struct room_key user, room = chat(CHAT);
    assert_int_equal(room_key_for_user(SLICE_LITERAL("ada \"the first\""), &user), ERR_OK);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct client *client = client_of_nobody();
        client->session.claims.user = room_key_store(&user);
        assert_non_null(client->session.claims.user);
        assert_int_equal(rooms_join(world.worker->rooms, &room, &client->session.rooms), ERR_OK);
        assert_int_equal(rooms_join(world.worker->rooms, &user, &client->session.rooms), ERR_OK);
    }
    return user;
}

static void members_of_a_chat_and_connections_of_a_user_are_shown(void **state)
{
    (void)state;
    struct room_key user = make_members(), room = chat(CHAT);
    struct console_task *task = ask(CONSOLE_ROOM, &room, 65536);
    assert_int_equal(task->parts[0].count, MEMBERS);
    assert_int_equal(whole_objects(&task->parts[0].first), MEMBERS);
    assert_int_equal(count_of(&task->parts[0].first, "\"peer\""), 0);
    release(task);
    task = ask(CONSOLE_USER, &user, 65536);
    assert_int_equal(task->parts[0].count, MEMBERS);
    assert_int_equal(whole_objects(&task->parts[0].first), CONSOLE_SESSIONS_MAX);
    assert_int_equal(count_of(&task->parts[0].first, "\"chats\":[{\"chat\":"), CONSOLE_SESSIONS_MAX);
    release(task);
}

static void of_more_than_has_room_as_many_are_shown_as_have(void **state)
{
    (void)state;
    struct room_key user = make_members(), room = chat(CHAT);
    const struct {
        enum console_kind kind;
        const struct room_key *room;
    } questions[] = {{CONSOLE_ROOM, &room}, {CONSOLE_USER, &user}};
    for (unsigned i = 0; i < 2; i++) {
        for (size_t bytes = 1; bytes < 2000; bytes += 7) {
            struct console_task *task = ask(questions[i].kind, questions[i].room, bytes);
            unsigned shown = whole_objects(&task->parts[0].first);
            assert_int_equal(task->parts[0].count, MEMBERS);
            assert_true(shown >= bytes / 400 && shown <= bytes / 100);
            release(task);
        }
    }
}

static void who_takes_nothing_is_slow_also_when_nothing_waits_for_it(void **state)
{
    (void)state;
    struct room_key user = make_members();
    struct client *client = world.worker->clients;
    int connection;
    struct console_task *task = ask(CONSOLE_LIVE, &user, 65536);
    assert_int_equal(task->parts[0].count, 0);
    release(task);
    client->session.connection = &connection;
    client_set_blocked(client, true);
    task = ask(CONSOLE_LIVE, &user, 65536);
    client_set_blocked(client, false);
    client->session.connection = NULL;
    assert_int_equal(task->parts[0].count, 1);
    assert_int_equal(whole_objects(&task->parts[0].first), 1);
    assert_int_equal(count_of(&task->parts[0].first, "\"blocked\":true"), 1);
    release(task);
}

static void so_are_closes(void **state)
{
    (void)state;
    struct room_key room = chat(CHAT);
    struct client *client = client_of_nobody();
    client->session.claims.user = room_key_store(&room);
    for (unsigned i = 0; i < CLOSES_KEPT + 3; i++)
        worker_note_close(world.worker, &client->session, WS_END_CLIENT, 1000 + i);
    struct console_task *task = ask(CONSOLE_LIVE, &room, 65536);
    assert_int_equal(count_of(&task->parts[0].second, "\"at_ms\""), CLOSES_KEPT);
    assert_int_equal(count_of(&task->parts[0].second, "\"code\":1034,"), 1); /* the last */
    assert_int_equal(count_of(&task->parts[0].second, "\"code\":1002,"), 0);
    release(task);
    task = ask(CONSOLE_LIVE, &room, 1000);
    assert_in_range(count_of(&task->parts[0].second, "\"at_ms\""), 3, 8);
    assert_int_equal(count_of(&task->parts[0].second, "}"), count_of(&task->parts[0].second, "\"at_ms\""));
    release(task);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(members_of_a_chat_and_connections_of_a_user_are_shown),
        TEST(of_more_than_has_room_as_many_are_shown_as_have),
        TEST(so_are_closes),
        TEST(who_takes_nothing_is_slow_also_when_nothing_waits_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
