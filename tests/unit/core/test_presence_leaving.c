/* The leave delay, versions and pages, and settling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/base/random.h>

#include "presence_test.h"

#define DELAY_MS 15000
#define A        SLICE_LITERAL("node-a")
#define B        SLICE_LITERAL("node-b")

static struct room_key user(unsigned number)
{
    struct room_key key;
    char name[16];
    snprintf(name, sizeof name, "user-%u", number);
    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

/* Who was told of, as text: "+1 -2 ". */
static char told[256];

static void tell(void *context, const struct room_key *key, bool online)
{
    (void)context;
    size_t len = strlen(told);
    assert_in_range(len, 0, sizeof told - 32);
    snprintf(told + len, sizeof told - len, "%c%s ", online ? '+' : '-', key->name + strlen("user-"));
}

static void expect_told(const char *text)
{
    assert_string_equal(told, text);
    told[0] = '\0';
}

static struct presence *settled(void)
{
    struct presence *presence;
    told[0] = '\0';
    assert_int_equal(new_settled(DELAY_MS, &presence), ERR_OK);
    return presence;
}

static void join(struct presence *presence, unsigned number)
{
    struct room_key key = user(number);
    struct presence_change change;
    assert_int_equal(presence_join(presence, &key, &change), ERR_OK);
    if (change.global)
        tell(NULL, &key, true);
}

static void leave(struct presence *presence, unsigned number, uint64_t now_ms)
{
    struct room_key key = user(number);
    struct presence_change change;
    presence_leave(presence, &key, now_ms, &change);
    if (change.global)
        tell(NULL, &key, false);
}

/* Returns whether something was missed. */
static bool hear(struct presence *presence, struct slice node, unsigned number, bool online,
                 uint64_t previous, uint64_t version, uint64_t now_ms)
{
    struct room_key key = user(number);
    struct presence_word word = {
        .node = node, .user = &key, .online = online, .previous = previous, .version = version};
    struct presence_change change;
    assert_int_equal(presence_remote(presence, &word, now_ms, &change), ERR_OK);
    if (change.global)
        tell(NULL, &key, online);
    return change.missed;
}

/* Users `first` to `last`, on one page. */
static void hear_page(struct presence *presence, struct slice node, uint64_t version, uint32_t page,
                      uint32_t pages, unsigned first, unsigned last, uint64_t now_ms)
{
    struct room_key users[16];
    struct presence_page said = {
        .node = node, .version = version, .page = page, .pages = pages, .users = users};
    for (unsigned number = first; number <= last; number++)
        users[said.count++] = user(number);
    assert_int_equal(presence_snapshot(presence, &said, now_ms, tell, NULL), ERR_OK);
}

static void a_user_is_offline_when_the_delay_is_over_and_not_before(void **state)
{
    (void)state;
    struct presence *presence = settled();
    join(presence, 1);
    leave(presence, 1, 1000);
    assert_int_equal(presence_count(presence), 1);
    assert_int_equal(presence_local_count(presence), 0);
    assert_int_equal(presence_due(presence), 1000 + DELAY_MS);
    presence_run(presence, 1000 + DELAY_MS - 1, tell, NULL);
    expect_told("+1 ");
    presence_run(presence, 1000 + DELAY_MS, tell, NULL);
    expect_told("-1 ");
    assert_int_equal(presence_count(presence), 0);
    assert_int_equal(presence_due(presence), 0);
    presence_free(&presence);
}

static void nobody_is_told_of_a_user_who_comes_back_in_time_to_whichever_node(void **state)
{
    (void)state;
    struct presence *presence = settled();
    join(presence, 1);
    expect_told("+1 ");
    leave(presence, 1, 1000);
    assert_false(hear(presence, A, 1, true, 0, 1, 2000));
    assert_int_equal(presence_due(presence), 0);
    assert_false(hear(presence, A, 1, false, 1, 2, 3000));
    assert_false(hear(presence, B, 1, true, 0, 9, 4000));
    hear_page(presence, B, 0, 1, 1, 1, 0, 5000); /* the node has nobody any more */
    join(presence, 1);
    presence_run(presence, 1000000, tell, NULL);
    expect_told("");
    presence_free(&presence);
}

static void those_leaving_go_in_turn_whatever_the_order_they_came_in(void **state)
{
    (void)state;
    struct presence *presence = settled();
    for (unsigned number = 1; number <= 4; number++)
        join(presence, number);
    expect_told("+1 +2 +3 +4 ");
    leave(presence, 2, 2000);
    leave(presence, 1, 1000);
    leave(presence, 4, 4000);
    leave(presence, 3, 3000);
    assert_int_equal(presence_leaving_count(presence), 4);
    join(presence, 3);
    presence_run(presence, 1000000, tell, NULL);
    expect_told("-1 -2 -4 ");
    presence_free(&presence);
}

static void users_of_a_node_that_died_go_at_once_unless_others_hold_them(void **state)
{
    (void)state;
    struct presence *presence = settled();
    join(presence, 2);
    hear(presence, A, 1, true, 0, 1, 0);
    hear(presence, A, 2, true, 1, 2, 0);
    hear(presence, A, 3, true, 2, 3, 0);
    hear(presence, A, 4, true, 3, 4, 0);
    hear(presence, B, 3, true, 0, 1, 0);
    hear(presence, A, 4, false, 4, 5, 100); /* left in good order before */
    expect_told("+2 +1 +3 +4 ");
    presence_forget(presence, A, true, 200, tell, NULL);
    expect_told("-1 ");
    presence_run(presence, 100 + DELAY_MS, tell, NULL);
    expect_told("-4 ");
    presence_free(&presence);
}

static void users_of_a_node_that_said_goodbye_have_the_delay(void **state)
{
    (void)state;
    struct presence *presence = settled();
    hear(presence, A, 1, true, 0, 1, 0);
    presence_forget(presence, A, false, 500, tell, NULL);
    expect_told("+1 ");
    assert_int_equal(presence_due(presence), 500 + DELAY_MS);
    presence_free(&presence);
}

static void a_missed_change_is_noticed_and_a_snapshot_makes_it_good(void **state)
{
    (void)state;
    struct presence *presence = settled();
    assert_false(hear(presence, A, 1, true, 0, 5, 0));
    assert_true(hear(presence, A, 3, true, 6, 7, 0)); /* 2 came with 6 */
    assert_int_equal(presence_version(presence, A), 5);
    assert_int_equal(presence_heard(presence, A), 7);
    assert_true(hear(presence, A, 1, false, 7, 8, 0)); /* still */
    hear_page(presence, A, 6, 1, 1, 1, 2, 0);          /* older than what was heard: nothing of it is news */
    assert_int_equal(presence_version(presence, A), 5);
    hear_page(presence, A, 8, 1, 1, 2, 3, 0);
    assert_int_equal(presence_version(presence, A), 8);
    assert_false(hear(presence, A, 4, true, 8, 9, 0));
    assert_false(hear(presence, A, 4, false, 7, 8, 0)); /* heard twice */
    expect_told("+1 +3 +2 +4 ");
    assert_int_equal(presence_count(presence), 4);
    presence_free(&presence);
}

static void a_node_with_nobody_has_no_version_and_begins_anew(void **state)
{
    (void)state;
    struct presence *presence = settled();
    assert_false(hear(presence, A, 1, true, 0, 5, 0));
    assert_false(hear(presence, A, 1, false, 5, 6, 0));
    assert_int_equal(presence_version(presence, A), 0);
    assert_false(hear(presence, A, 1, true, 0, 7, 0));
    assert_true(hear(presence, B, 1, true, 3, 4, 0)); /* it had others there */
    presence_free(&presence);
}

static void only_all_pages_in_order_take_users_out(void **state)
{
    (void)state;
    struct presence *presence = settled();
    hear_page(presence, A, 3, 1, 1, 1, 6, 0);
    told[0] = '\0';
    hear_page(presence, A, 9, 1, 3, 1, 2, 0);
    hear_page(presence, A, 9, 3, 3, 7, 7, 0); /* the second was lost */
    assert_int_equal(presence_version(presence, A), 3);
    assert_int_equal(presence_leaving_count(presence), 0);
    hear_page(presence, A, 9, 1, 3, 1, 2, 0);
    hear_page(presence, A, 10, 2, 3, 3, 4, 0); /* of another snapshot */
    hear_page(presence, A, 9, 3, 3, 7, 7, 0);
    assert_int_equal(presence_leaving_count(presence), 0);
    hear_page(presence, A, 11, 1, 2, 1, 2, 0);
    hear_page(presence, A, 11, 2, 2, 7, 7, 0);
    assert_int_equal(presence_version(presence, A), 11);
    assert_int_equal(presence_leaving_count(presence), 4);
    presence_run(presence, DELAY_MS, tell, NULL);
    expect_told("+7 -3 -4 -5 -6 ");
    presence_free(&presence);
}

static void a_fresh_set_tells_only_who_is_new_to_everybody(void **state)
{
    (void)state;
    struct presence *presence;
    struct room_key three = user(3), five = user(5), six = user(6);
    told[0] = '\0';
    assert_int_equal(presence_new(DELAY_MS, &presence), ERR_OK);
    join(presence, 1);                   /* was on A a moment ago, and is there still */
    join(presence, 2);                   /* is new */
    join(presence, 3);                   /* was on A, and is about to leave */
    hear(presence, B, 4, true, 0, 1, 0); /* is new, elsewhere */
    hear_page(presence, A, 3, 1, 1, 1, 1, 0);
    hear_page(presence, A, 3, 1, 1, 1, 1, 0);
    assert_int_equal(presence_is_leaving(presence, &three, 2000), ERR_OK);
    assert_int_equal(presence_is_leaving(presence, &five, 3000), ERR_OK);
    join(presence, 7);
    leave(presence, 7, 0);
    expect_told("");
    assert_int_equal(presence_count(presence), 6);
    presence_settle(presence, tell, NULL);
    expect_told("+2 +4 +7 ");
    assert_int_equal(presence_is_leaving(presence, &six, 3000), ERR_OK); /* not news after that */
    assert_int_equal(presence_count(presence), 6);
    presence_run(presence, 3000, tell, NULL);
    expect_told("-5 ");
    presence_free(&presence);
}

static void words_about_those_leaving_delay_and_never_hasten(void **state)
{
    (void)state;
    struct presence *presence = settled();
    struct room_key one = user(1);
    join(presence, 1);
    assert_int_equal(presence_is_leaving(presence, &one, 99), ERR_OK); /* held here: no */
    assert_int_equal(presence_due(presence), 0);
    leave(presence, 1, 1000);
    assert_int_equal(presence_is_leaving(presence, &one, 2000), ERR_OK);
    assert_int_equal(presence_due(presence), 1000 + DELAY_MS);
    assert_int_equal(presence_is_leaving(presence, &one, 5000 + DELAY_MS), ERR_OK);
    assert_int_equal(presence_due(presence), 5000 + DELAY_MS);
    presence_free(&presence);
}

static void without_a_delay_the_last_to_go_is_told_at_once(void **state)
{
    (void)state;
    struct presence *presence;
    struct room_key one = user(1);
    told[0] = '\0';
    assert_int_equal(presence_new(0, &presence), ERR_OK);
    join(presence, 1);
    leave(presence, 1, 0); /* of whom nobody was told */
    assert_int_equal(presence_is_leaving(presence, &one, 99), ERR_OK);
    assert_int_equal(presence_count(presence), 0);
    presence_settle(presence, tell, NULL);
    join(presence, 1);
    leave(presence, 1, 0);
    hear(presence, A, 2, true, 0, 1, 0);
    hear(presence, A, 2, false, 1, 2, 0);
    expect_told("+1 -1 +2 -2 ");
    presence_free(&presence);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_is_offline_when_the_delay_is_over_and_not_before),
        cmocka_unit_test(nobody_is_told_of_a_user_who_comes_back_in_time_to_whichever_node),
        cmocka_unit_test(those_leaving_go_in_turn_whatever_the_order_they_came_in),
        cmocka_unit_test(users_of_a_node_that_died_go_at_once_unless_others_hold_them),
        cmocka_unit_test(users_of_a_node_that_said_goodbye_have_the_delay),
        cmocka_unit_test(a_missed_change_is_noticed_and_a_snapshot_makes_it_good),
        cmocka_unit_test(a_node_with_nobody_has_no_version_and_begins_anew),
        cmocka_unit_test(only_all_pages_in_order_take_users_out),
        cmocka_unit_test(a_fresh_set_tells_only_who_is_new_to_everybody),
        cmocka_unit_test(words_about_those_leaving_delay_and_never_hasten),
        cmocka_unit_test(without_a_delay_the_last_to_go_is_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
