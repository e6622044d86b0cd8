/* What other nodes' words do to the set, and what lack of memory does not. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/random.h>
#include <roomcast/core/presence.h>

#include "failing_alloc.h"
#include "presence.c"
#include "presence_elsewhere.c"
#include "presence_test.h"
#include "seeded.h"

#define A SLICE_LITERAL("node-a")
#define B SLICE_LITERAL("node-b")

static struct room_key user_named(const char *name)
{
    struct room_key key;

    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static struct room_key user_number(unsigned number)
{
    char name[16];

    snprintf(name, sizeof name, "u%u", number);
    return user_named(name);
}

static unsigned number_of(const struct room_key *user)
{
    char name[16] = {0};

    assert_in_range(user->len, 2, sizeof name - 1);
    memcpy(name, user->name, user->len);
    return (unsigned)strtoul(name + 1, NULL, 10);
}

static struct presence *new_presence(void)
{
    struct presence *presence = NULL;

    assert_int_equal(new_settled(0, &presence), ERR_OK);
    return presence;
}

static void expect(struct presence_change change, bool local, bool global, bool online)
{
    assert_int_equal(change.local, local);
    assert_int_equal(change.global, global);
    assert_int_equal(change.online, online);
}

static void join(struct presence *presence, const struct room_key *user, bool local, bool global)
{
    struct presence_change change = {.online = false};

    assert_int_equal(presence_join(presence, user, &change), ERR_OK);
    expect(change, local, global, true);
}

static void leave(struct presence *presence, const struct room_key *user, bool local, bool global)
{
    struct presence_change change = {.online = false};

    presence_leave(presence, user, 0, &change);
    expect(change, local, global, false);
}

static void remote(struct presence *presence, struct slice node, const struct room_key *user, bool online,
                   bool global)
{
    struct presence_change change = {.online = false};

    assert_int_equal(say(presence, node, user, online, &change), ERR_OK);
    expect(change, false, global, online);
}

/* What visits reported: per user, how often each way. */
enum { USERS = 40 };

struct visits {
    unsigned came[USERS], went[USERS], total;
};

static void note_visit(void *context, const struct room_key *user, bool online)
{
    struct visits *visits = context;
    unsigned number = number_of(user);

    assert_in_range(number, 0, USERS - 1);
    visits->total++;
    if (online)
        visits->came[number]++;
    else
        visits->went[number]++;
}

static void repeated_or_unknown_words_of_a_node_change_nothing(void **state)
{
    (void)state;
    struct presence *presence = new_presence();
    struct room_key anna = user_named("anna"), bert = user_named("bert");

    remote(presence, A, &anna, false, false);
    remote(presence, A, &anna, true, true);
    remote(presence, A, &anna, true, false);
    remote(presence, A, &bert, false, false);
    remote(presence, B, &anna, false, false);
    assert_int_equal(presence_count(presence), 1);
    remote(presence, A, &anna, false, true); /* said twice, taken back once */
    presence_free(&presence);
}

static void node_names_are_limited_and_told_apart_in_full(void **state)
{
    (void)state;
    char longest[PRESENCE_NODE_MAX + 1];
    struct presence *presence = new_presence();
    struct room_key anna = user_named("anna");
    struct presence_change change = {0};
    struct visits visits = {0};

    memset(longest, 'n', sizeof longest);
    assert_int_equal(say(presence, (struct slice){longest, 0}, &anna, true, &change), ERR_RANGE);
    assert_int_equal(say(presence, (struct slice){longest, sizeof longest}, &anna, true, &change), ERR_RANGE);
    assert_int_equal(
        say_all(presence, (struct slice){longest, sizeof longest}, &anna, 1, note_visit, &visits), ERR_RANGE);
    assert_int_equal(say(presence, (struct slice){"a\0b", 3}, &anna, true, &change), ERR_RANGE);
    assert_int_equal(presence_count(presence), 0);
    remote(presence, (struct slice){longest, PRESENCE_NODE_MAX}, &anna, true, true);
    remote(presence, (struct slice){longest, PRESENCE_NODE_MAX - 1}, &anna, false, false);
    presence_forget(presence, (struct slice){longest, sizeof longest}, true, 0, note_visit, &visits);
    assert_int_equal(visits.total, 0);
    remote(presence, (struct slice){longest, PRESENCE_NODE_MAX}, &anna, false, true);
    presence_free(&presence);
}

static void snapshot_replaces_what_was_known_of_the_node(void **state)
{
    (void)state;
    struct presence *presence = new_presence();
    struct room_key u[5];
    struct visits visits = {0};

    for (unsigned i = 0; i < 5; i++)
        u[i] = user_number(i);
    join(presence, &u[0], true, true);
    remote(presence, A, &u[0], true, false);
    remote(presence, A, &u[1], true, true);
    remote(presence, A, &u[2], true, true);
    remote(presence, B, &u[2], true, false);
    remote(presence, A, &u[3], true, true);
    /* stays: 3; comes: 4, named twice; goes: 1; 0 and 2 are held by others */
    const struct room_key list[] = {u[3], u[4], u[4]};
    assert_int_equal(say_all(presence, A, list, 3, note_visit, &visits), ERR_OK);
    assert_int_equal(visits.total, 2);
    assert_int_equal(visits.went[1], 1);
    assert_int_equal(visits.came[4], 1);
    assert_int_equal(presence_count(presence), 4);
    leave(presence, &u[0], true, true);      /* A holds 0 no more */
    remote(presence, B, &u[2], false, true); /* nor 2 */
    remote(presence, A, &u[4], false, true);
    presence_free(&presence);
}

static void empty_snapshot_and_forgetting_leave_nothing_of_the_node(void **state)
{
    (void)state;
    struct presence *presence = new_presence();
    size_t before = alloc_live;
    struct visits visits = {0};

    for (int way = 0; way < 2; way++) {
        for (unsigned i = 0; i < USERS; i++) {
            struct room_key user = user_number(i);
            remote(presence, A, &user, true, true);
        }
        if (way == 0)
            assert_int_equal(say_all(presence, A, NULL, 0, note_visit, &visits), ERR_OK);
        else
            presence_forget(presence, A, true, 0, note_visit, &visits);
        assert_int_equal(presence_count(presence), 0);
        assert_int_equal(alloc_live, before);
    }
    for (unsigned i = 0; i < USERS; i++)
        assert_int_equal(visits.went[i], 2);
    presence_forget(presence, B, true, 0, note_visit, &visits);
    assert_int_equal(say_all(presence, B, NULL, 0, note_visit, &visits), ERR_OK);
    assert_int_equal(visits.total, 2 * USERS);
    presence_free(&presence);
}

static void names_of_nodes_that_left_are_not_kept(void **state)
{
    (void)state;
    struct presence *presence = new_presence();
    struct room_key anna = user_named("anna");

    join(presence, &anna, true, true);
    size_t before = alloc_live;
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "roomcast-%d", i);
        remote(presence, slice_of(name), &anna, true, false);
        remote(presence, slice_of(name), &anna, false, false);
    }
    assert_int_equal(alloc_live, before);
    presence_free(&presence);
}

static void one_user_may_be_on_very_many_nodes(void **state)
{
    (void)state;
    enum { NODES = 300 };
    struct presence *presence = new_presence();
    struct room_key anna = user_named("anna");
    char name[32];

    for (int i = 0; i < NODES; i++) {
        snprintf(name, sizeof name, "roomcast-%d", i);
        remote(presence, slice_of(name), &anna, true, i == 0);
    }
    assert_int_equal(presence_count(presence), 1);
    for (int i = 0; i < NODES; i++) {
        snprintf(name, sizeof name, "roomcast-%d", i);
        remote(presence, slice_of(name), &anna, false, i == NODES - 1);
    }
    presence_free(&presence);
}

static void free_takes_everything_with_it_and_accepts_null(void **state)
{
    (void)state;
    size_t before = alloc_live;
    struct presence *presence = new_presence();

    for (unsigned i = 0; i < USERS; i++) {
        struct room_key user = user_number(i);
        join(presence, &user, true, true);
        remote(presence, A, &user, true, false);
        remote(presence, B, &user, true, false);
    }
    presence_free(&presence);
    assert_null(presence);
    presence_free(&presence);
    assert_int_equal(alloc_live, before);
}

static void remember(void *context, const struct room_key *user, bool online)
{
    const struct room_key ***next = context;

    assert_true(online);
    *(*next)++ = user;
}

/* Callers gather the names first and write them out afterwards. */
static void keys_given_out_by_each_stay_until_the_next_change(void **state)
{
    (void)state;
    struct presence *presence = new_presence();
    const struct room_key *users[USERS], **next = users;
    bool seen[USERS] = {false};

    for (unsigned i = 0; i < USERS; i++) {
        struct room_key user = user_number(i);
        join(presence, &user, true, true);
    }
    presence_each(presence, false, remember, &next);
    assert_int_equal(next - users, USERS);
    for (unsigned i = 0; i < USERS; i++) {
        assert_false(seen[number_of(users[i])]);
        seen[number_of(users[i])] = true;
    }
    presence_free(&presence);
}

/* --- against a model: a table of who is where --- */

enum { NODES = 6 };

struct model {
    struct presence *presence;
    uint64_t seed;
    unsigned local[USERS];
    bool remote[NODES][USERS];
};

static struct slice node_number(unsigned number)
{
    static const char *const names[NODES] = {"n", "nn", "node-1", "node-10", "other", "N"};

    return slice_of(names[number]);
}

static bool is_online_in_model(const struct model *model, unsigned user)
{
    bool online = model->local[user] > 0;

    for (unsigned node = 0; node < NODES; node++)
        online |= model->remote[node][user];
    return online;
}

/* Makes `node` have exactly `now`; `visits` must have told just the differences. */
static void expect_replaced(struct model *model, unsigned node, const bool *now, const struct visits *visits)
{
    for (unsigned user = 0; user < USERS; user++) {
        bool before = is_online_in_model(model, user);
        model->remote[node][user] = now[user];
        bool after = is_online_in_model(model, user);
        assert_int_equal(visits->came[user], !before && after);
        assert_int_equal(visits->went[user], before && !after);
    }
}

static void random_snapshot(struct model *model, unsigned node)
{
    struct room_key list[2 * USERS];
    bool now[USERS] = {false};
    struct visits visits = {0};
    size_t count = seeded_below(&model->seed, 4) == 0 ? 0 : seeded_below(&model->seed, 2 * USERS);

    for (size_t i = 0; i < count; i++) {
        unsigned user = (unsigned)seeded_below(&model->seed, USERS);
        list[i] = user_number(user);
        now[user] = true;
    }
    assert_int_equal(say_all(model->presence, node_number(node), list, count, note_visit, &visits), ERR_OK);
    expect_replaced(model, node, now, &visits);
}

static void random_step(struct model *model)
{
    unsigned number = (unsigned)seeded_below(&model->seed, USERS);
    unsigned node = (unsigned)seeded_below(&model->seed, NODES);
    struct room_key user = user_number(number);
    bool before = is_online_in_model(model, number);
    uint64_t kind = seeded_below(&model->seed, 100);

    if (kind < 25) {
        join(model->presence, &user, model->local[number] == 0, !before);
        model->local[number]++;
    } else if (kind < 55 && model->local[number] > 0) {
        bool last = --model->local[number] == 0;
        leave(model->presence, &user, last, !is_online_in_model(model, number));
    } else if (kind < 92) {
        bool online = seeded_below(&model->seed, 2);
        model->remote[node][number] = online;
        remote(model->presence, node_number(node), &user, online,
               before != is_online_in_model(model, number));
    } else if (kind < 96) {
        random_snapshot(model, node);
    } else {
        const bool none[USERS] = {false};
        struct visits visits = {0};
        presence_forget(model->presence, node_number(node), true, 0, note_visit, &visits);
        expect_replaced(model, node, none, &visits);
    }
}

static void expect_agreement(const struct model *model)
{
    struct visits all = {0}, local = {0};
    size_t online_count = 0, local_count = 0;

    presence_each(model->presence, false, note_visit, &all);
    presence_each(model->presence, true, note_visit, &local);
    for (unsigned user = 0; user < USERS; user++) {
        assert_int_equal(all.came[user], is_online_in_model(model, user));
        assert_int_equal(local.came[user], model->local[user] > 0);
        online_count += is_online_in_model(model, user);
        local_count += model->local[user] > 0;
    }
    assert_int_equal(all.total, online_count);
    assert_int_equal(local.total, local_count);
    assert_int_equal(presence_count(model->presence), online_count);
    assert_int_equal(presence_local_count(model->presence), local_count);
}

static void presence_agrees_with_a_naive_model(void **state)
{
    (void)state;
    size_t before = alloc_live;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct model model = {.seed = seed, .presence = new_presence()};
        for (int step = 0; step < 2000; step++) {
            random_step(&model);
            expect_agreement(&model);
        }
        presence_free(&model.presence);
        assert_int_equal(alloc_live, before);
    }
}

/* --- without memory --- */

enum { MANY = 300 }; /* users enough for the table to grow */

static void ignore(void *context, const struct room_key *user, bool online)
{
    (void)user;
    (void)online;
    ++*(unsigned *)context;
}

/* One try; on failure the counts must be as before, and a second try must work. Returns failures. */
static unsigned join_or_retry(struct presence *presence, const struct room_key *user)
{
    struct presence_change change = {.online = false};
    size_t count = presence_count(presence), local = presence_local_count(presence);

    if (presence_join(presence, user, &change) == ERR_OK)
        return 0;
    assert_false(change.online); /* not written */
    assert_int_equal(presence_count(presence), count);
    assert_int_equal(presence_local_count(presence), local);
    join(presence, user, true, true);
    return 1;
}

static unsigned remote_or_retry(struct presence *presence, struct slice node, const struct room_key *user,
                                bool global)
{
    struct presence_change change = {.online = false};
    size_t count = presence_count(presence);

    if (say(presence, node, user, true, &change) == ERR_OK)
        return 0;
    assert_false(change.online);
    assert_int_equal(presence_count(presence), count);
    remote(presence, node, user, true, global);
    return 1;
}

/* A list cut short by lack of memory may have brought some users in, and said so; it takes nobody out. */
static unsigned snapshot_or_retry(struct presence *presence, struct slice node, const struct room_key *users,
                                  size_t count, unsigned expected_visits)
{
    unsigned visits = 0;
    size_t online = presence_count(presence);

    if (say_all(presence, node, users, count, ignore, &visits) == ERR_OK) {
        assert_int_equal(visits, expected_visits);
        return 0;
    }
    assert_int_equal(presence_count(presence), online + visits);
    assert_int_equal(say_all(presence, node, users, count, ignore, &visits), ERR_OK);
    assert_int_equal(visits, expected_visits);
    return 1;
}

static void step_without_memory_changes_nothing_and_can_be_repeated(void **state)
{
    (void)state;
    static struct room_key users[MANY];
    size_t before = alloc_live;
    bool failed = true;

    for (unsigned i = 0; i < MANY; i++)
        users[i] = user_number(i);
    for (size_t k = 1; failed; k++) {
        struct presence *presence = NULL;
        unsigned failures = 0;
        alloc_fail(k);
        if (new_settled(0, &presence) != ERR_OK) {
            assert_null(presence);
            presence = new_presence();
            failures++;
        }
        for (unsigned i = 0; i < MANY / 3; i++)
            failures += join_or_retry(presence, &users[i]);
        for (unsigned i = MANY / 3; i < 2 * MANY / 3; i++)
            failures += remote_or_retry(presence, A, &users[i], true);
        failures += remote_or_retry(presence, A, &users[0], false);
        /* the first third is here, the second goes with the list, the last comes */
        failures += snapshot_or_retry(presence, A, users + 2 * MANY / 3, MANY / 3, 2 * (MANY / 3));
        failed = alloc_failed;
        alloc_fail(0);
        assert_int_equal(failures, failed);
        assert_int_equal(presence_count(presence), 2 * (MANY / 3));
        assert_int_equal(presence_local_count(presence), MANY / 3);
        presence_free(&presence);
        assert_int_equal(alloc_live, before);
    }
}

static int start(void **state)
{
    (void)state;
    return random_init() == ERR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeated_or_unknown_words_of_a_node_change_nothing),
        cmocka_unit_test(node_names_are_limited_and_told_apart_in_full),
        cmocka_unit_test(snapshot_replaces_what_was_known_of_the_node),
        cmocka_unit_test(empty_snapshot_and_forgetting_leave_nothing_of_the_node),
        cmocka_unit_test(names_of_nodes_that_left_are_not_kept),
        cmocka_unit_test(one_user_may_be_on_very_many_nodes),
        cmocka_unit_test(free_takes_everything_with_it_and_accepts_null),
        cmocka_unit_test(keys_given_out_by_each_stay_until_the_next_change),
        cmocka_unit_test(presence_agrees_with_a_naive_model),
        cmocka_unit_test(step_without_memory_changes_nothing_and_can_be_repeated),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
