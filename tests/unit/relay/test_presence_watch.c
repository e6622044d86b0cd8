#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/base/random.h>

#include "presence_watch.h"

#define A         SLICE_LITERAL("node-a.1")
#define B         SLICE_LITERAL("node-b.1")
#define DELAY_MS  5000u
#define USERS_MAX 50u

static struct {
    struct presence_watch *watch;
    uint64_t now_ms;
    char told[256];  /* "+anna -bert " since the last look */
    char asked[256]; /* nodes, "*" for all */
} world;

static struct uuid chat_id(unsigned number)
{
    struct uuid id = {.bytes = {0x11}};
    id.bytes[15] = (unsigned char)number;
    return id;
}

static struct room_key chat(unsigned number)
{
    struct room_key key;
    struct uuid id = chat_id(number);
    room_key_for_chat(&id, &key);
    return key;
}

static void on_tell(void *context, const struct room_key *room, const struct room_key *user, bool online)
{
    (void)context;
    (void)room;
    size_t used = strlen(world.told);
    snprintf(world.told + used, sizeof world.told - used, "%c%s ", online ? '+' : '-', user->name);
}

static void on_ask(void *context, const struct room_key *room, struct slice node)
{
    (void)context;
    (void)room;
    size_t used = strlen(world.asked);
    snprintf(world.asked + used, sizeof world.asked - used, "%.*s ", node.len ? (int)node.len : 1,
             node.len ? node.data : "*");
}

static int start(void **state)
{
    (void)state;
    const struct presence_watch_options options = {
        .leave_delay_ms = DELAY_MS, .users_max = USERS_MAX, .tell = on_tell, .ask = on_ask};
    memset(&world, 0, sizeof world);
    world.now_ms = 1000000;
    return presence_watch_new(&options, &world.watch) == ERR_OK ? 0 : 1;
}

static int stop(void **state)
{
    (void)state;
    presence_watch_free(&world.watch);
    return 0;
}

static enum err change(struct slice node, unsigned number, const char *user, bool online, uint64_t previous,
                       uint64_t version)
{
    const struct signal_message signal = {.kind = SIGNAL_PRESENCE_CHANGE,
                                          .room = chat(number),
                                          .node = node,
                                          .user = slice_of(user),
                                          .on = online,
                                          .previous = previous,
                                          .version = version};
    return presence_watch_signal(world.watch, &signal, world.now_ms);
}

static void snapshot(struct slice node, unsigned number, const char *user, uint64_t version)
{
    const struct slice users[] = {slice_of(user ? user : "")};
    const struct signal_message signal = {.kind = SIGNAL_PRESENCE_SNAPSHOT,
                                          .room = chat(number),
                                          .node = node,
                                          .version = version,
                                          .users = users,
                                          .users_count = user ? 1 : 0,
                                          .page = 1,
                                          .pages = 1};
    assert_int_equal(presence_watch_signal(world.watch, &signal, world.now_ms), ERR_OK);
}

/* Of all buckets; with the chat when `version` is not 0. */
static void digest(struct slice node, unsigned number, uint64_t version, uint64_t counter)
{
    const struct presence_digest_room room = {.chat = chat_id(number), .version = version};
    const struct presence_digest digest = {.node = node,
                                           .counter = counter,
                                           .buckets = PRESENCE_BUCKETS,
                                           .rooms = &room,
                                           .rooms_count = version ? 1 : 0};
    enum err err = presence_watch_digest(world.watch, &digest, world.now_ms);
    assert_true(err == ERR_OK || (err == ERR_BUSY && presence_watch_users(world.watch) >= USERS_MAX));
}

static void wait_ms(uint64_t ms)
{
    for (uint64_t end = world.now_ms + ms; world.now_ms < end;) {
        world.now_ms += 100;
        presence_watch_run(world.watch, world.now_ms);
    }
}

#define EXPECT_TOLD(text)                                                                                    \
    do {                                                                                                     \
        assert_string_equal(world.told, text);                                                               \
        world.told[0] = '\0';                                                                                \
    } while (0)
#define EXPECT_ASKED(text)                                                                                   \
    do {                                                                                                     \
        assert_string_equal(world.asked, text);                                                              \
        world.asked[0] = '\0';                                                                               \
    } while (0)

static void who_is_heard_of_for_the_first_time_is_told(void **state)
{
    (void)state;
    assert_int_equal(change(A, 1, "anna", true, 0, 1), ERR_OK);
    EXPECT_TOLD("+anna ");
    assert_int_equal(change(B, 1, "anna", true, 0, 1), ERR_OK);
    snapshot(B, 1, "bert", 2); /* the word that he came was lost, and that anna left B */
    EXPECT_TOLD("+bert ");
    snapshot(B, 2, "carl", 3);
    EXPECT_TOLD("+carl ");
    EXPECT_ASKED("");
    assert_int_equal(presence_watch_users(world.watch), 3);
}

static void who_was_never_told_of_does_not_leave(void **state)
{
    (void)state;
    assert_int_equal(change(A, 1, "anna", false, 8, 9), ERR_OK);
    snapshot(A, 1, NULL, 0);
    assert_int_equal(presence_watch_chats(world.watch), 0);
    wait_ms(2 * DELAY_MS);
    EXPECT_TOLD("");
}

static void chats_that_a_digest_names_in_another_version_are_asked_about(void **state)
{
    (void)state;
    digest(A, 1, 5, 5);
    EXPECT_ASKED("node-a.1 ");
    snapshot(A, 1, "anna", 5);
    digest(A, 1, 5, 5);
    EXPECT_ASKED("");
    digest(A, 1, 6, 6);
    digest(A, 1, 6, 6); /* not again within a second ... */
    EXPECT_ASKED("node-a.1 ");
    digest(B, 1, 2, 2); /* ... but another one is */
    EXPECT_ASKED("node-b.1 ");
}

static void who_comes_back_in_time_never_left(void **state)
{
    (void)state;
    assert_int_equal(change(A, 1, "anna", true, 0, 1), ERR_OK);
    EXPECT_TOLD("+anna ");
    assert_int_equal(change(A, 1, "anna", false, 1, 2), ERR_OK);
    wait_ms(DELAY_MS - 100);
    assert_int_equal(change(B, 1, "anna", true, 0, 1), ERR_OK);
    wait_ms(2 * DELAY_MS);
    EXPECT_TOLD("");
}

static void users_of_a_dead_node_go_at_once_and_of_one_that_said_goodbye_after_the_delay(void **state)
{
    (void)state;
    assert_int_equal(change(A, 1, "anna", true, 0, 1), ERR_OK);
    assert_int_equal(change(B, 2, "bert", true, 0, 1), ERR_OK);
    EXPECT_TOLD("+anna +bert ");
    presence_watch_forget(world.watch, A, true, world.now_ms);
    EXPECT_TOLD("-anna ");
    presence_watch_forget(world.watch, B, false, world.now_ms);
    EXPECT_TOLD("");
    wait_ms(DELAY_MS);
    EXPECT_TOLD("-bert ");
    assert_int_equal(presence_watch_chats(world.watch), 0);
}

static void a_chat_that_a_digest_does_not_name_has_nobody_of_the_node(void **state)
{
    (void)state;
    assert_int_equal(change(A, 1, "anna", true, 0, 3), ERR_OK);
    EXPECT_TOLD("+anna ");
    digest(A, 1, 0, 2); /* made before she came */
    wait_ms(2 * DELAY_MS);
    EXPECT_TOLD("");
    digest(A, 1, 0, 3);
    wait_ms(DELAY_MS);
    EXPECT_TOLD("-anna ");
}

static void a_jump_in_the_numbers_is_asked_about(void **state)
{
    (void)state;
    assert_int_equal(change(A, 1, "anna", true, 0, 1), ERR_OK);
    assert_int_equal(change(A, 1, "carl", true, 2, 3), ERR_OK);
    EXPECT_ASKED("node-a.1 ");
}

static void after_trouble_nobody_leaves_before_the_answers_are_here(void **state)
{
    (void)state;
    assert_int_equal(change(A, 1, "anna", true, 0, 1), ERR_OK);
    assert_int_equal(change(A, 1, "bert", true, 1, 2), ERR_OK);
    EXPECT_TOLD("+anna +bert ");
    assert_int_equal(change(A, 1, "anna", false, 2, 3), ERR_OK);
    presence_watch_suspect(world.watch, world.now_ms, world.now_ms + 2 * DELAY_MS);
    EXPECT_ASKED("* ");
    wait_ms(2 * DELAY_MS - 100);
    EXPECT_TOLD("");
    wait_ms(100);
    EXPECT_TOLD("-anna ");
}

static void no_more_chats_are_taken_in_than_users_may_be_followed(void **state)
{
    (void)state;
    for (unsigned number = 0; number < USERS_MAX / 2; number++) {
        assert_int_equal(change(A, number, "anna", true, 0, 2 * number + 1), ERR_OK);
        assert_int_equal(change(A, number, "bert", true, 2 * number + 1, 2 * number + 2), ERR_OK);
    }
    assert_int_equal(change(A, USERS_MAX, "anna", true, 0, USERS_MAX + 1), ERR_BUSY);
    assert_int_equal(presence_watch_users(world.watch), USERS_MAX);
    digest(A, 77, 1, 0);
    EXPECT_ASKED("");
    presence_watch_forget(world.watch, A, true, world.now_ms);
    assert_int_equal(change(B, USERS_MAX, "anna", true, 0, 1), ERR_OK);
}

static void a_name_that_is_none_is_refused(void **state)
{
    (void)state;
    assert_int_equal(change(A, 1, "", true, 0, 1), ERR_RANGE);
    assert_int_equal(change(SLICE_LITERAL(""), 1, "anna", true, 0, 1), ERR_RANGE);
    assert_int_equal(presence_watch_chats(world.watch), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(who_is_heard_of_for_the_first_time_is_told),
        TEST(who_was_never_told_of_does_not_leave),
        TEST(chats_that_a_digest_names_in_another_version_are_asked_about),
        TEST(who_comes_back_in_time_never_left),
        TEST(users_of_a_dead_node_go_at_once_and_of_one_that_said_goodbye_after_the_delay),
        TEST(a_chat_that_a_digest_does_not_name_has_nobody_of_the_node),
        TEST(a_jump_in_the_numbers_is_asked_about),
        TEST(after_trouble_nobody_leaves_before_the_answers_are_here),
        TEST(no_more_chats_are_taken_in_than_users_may_be_followed),
        TEST(a_name_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
