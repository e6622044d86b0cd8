#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "presence_test.h"
#include <roomcast/base/random.h>

#define USERS 8
#define NODES 3

static struct room_key user(unsigned number)
{
    struct room_key key;
    char name[16];
    snprintf(name, sizeof name, "user-%u", number);
    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static struct slice node(unsigned number)
{
    static const char *const names[NODES] = {"node-b", "node-c", "node-d"};
    return slice_of(names[number]);
}

static void the_first_connection_comes_online_and_the_last_goes_offline(void **state)
{
    (void)state;
    struct presence *presence;
    struct presence_change change;
    struct room_key anna = user(1);
    assert_int_equal(new_settled(0, &presence), ERR_OK);
    assert_int_equal(presence_join(presence, &anna, &change), ERR_OK);
    assert_true(change.local && change.global && change.online);
    assert_int_equal(presence_join(presence, &anna, &change), ERR_OK);
    assert_false(change.local || change.global);
    presence_leave(presence, &anna, 0, &change);
    assert_false(change.local || change.global);
    presence_leave(presence, &anna, 0, &change);
    assert_true(change.local && change.global && !change.online);
    assert_int_equal(presence_count(presence), 0);
    presence_free(&presence);
}

static void a_user_stays_online_while_another_node_has_them(void **state)
{
    (void)state;
    struct presence *presence;
    struct presence_change change;
    struct room_key anna = user(1);
    assert_int_equal(new_settled(0, &presence), ERR_OK);
    assert_int_equal(presence_join(presence, &anna, &change), ERR_OK);
    assert_int_equal(say(presence, node(0), &anna, true, &change), ERR_OK);
    assert_false(change.global);
    presence_leave(presence, &anna, 0, &change);
    assert_true(change.local && !change.global);
    assert_int_equal(say(presence, node(0), &anna, false, &change), ERR_OK);
    assert_true(change.global && !change.online);
    presence_free(&presence);
}

static void a_node_name_that_is_no_name_is_refused(void **state)
{
    (void)state;
    struct presence *presence;
    struct presence_change change;
    struct room_key anna = user(1);
    char longest[200];
    memset(longest, 'n', sizeof longest);
    assert_int_equal(new_settled(0, &presence), ERR_OK);
    assert_int_equal(say(presence, SLICE_LITERAL(""), &anna, true, &change), ERR_RANGE);
    assert_int_equal(say(presence, (struct slice){longest, sizeof longest}, &anna, true, &change), ERR_RANGE);
    assert_int_equal(presence_count(presence), 0);
    presence_free(&presence);
}

/* The plain model: who is where. */
struct model {
    unsigned local[USERS];
    bool remote[NODES][USERS];
};

static bool model_online(const struct model *model, unsigned number)
{
    bool online = model->local[number] > 0;
    for (unsigned n = 0; n < NODES; n++)
        online = online || model->remote[n][number];
    return online;
}

/* What the visits of one step said, against the model's states before and after. */
static int visited[USERS];

static void visit(void *context, const struct room_key *key, bool online)
{
    (void)context;
    unsigned number = (unsigned)atoi(key->name + strlen("user-"));
    visited[number] += online ? 1 : 100;
}

static void check_visits(const struct model *before, const struct model *after)
{
    for (unsigned u = 0; u < USERS; u++) {
        int expected = model_online(before, u) == model_online(after, u) ? 0
                       : model_online(after, u)                          ? 1
                                                                         : 100;
        assert_int_equal(visited[u], expected);
        visited[u] = 0;
    }
}

static void remote_snapshot(struct presence *presence, struct model *model, unsigned n)
{
    struct room_key users[USERS];
    size_t count = 0;
    for (unsigned u = 0; u < USERS; u++) {
        model->remote[n][u] = rand() % 2;
        if (model->remote[n][u])
            users[count++] = user(u);
    }
    assert_int_equal(say_all(presence, node(n), users, count, visit, NULL), ERR_OK);
}

static void random_steps_agree_with_a_plain_model(void **state)
{
    (void)state;
    struct presence *presence;
    struct model model = {.local = {0}};
    assert_int_equal(new_settled(0, &presence), ERR_OK);
    srand(5);
    for (int step = 0; step < 20000; step++) {
        struct model before = model;
        struct presence_change change = {.global = false};
        unsigned u = (unsigned)rand() % USERS, n = (unsigned)rand() % NODES;
        struct room_key key = user(u);
        int what = rand() % 20;
        if (what < 8) {
            assert_int_equal(presence_join(presence, &key, &change), ERR_OK);
            model.local[u]++;
        } else if (what < 14 && model.local[u] > 0) {
            presence_leave(presence, &key, 0, &change);
            model.local[u]--;
        } else if (what < 18) {
            bool online = rand() % 2;
            assert_int_equal(say(presence, node(n), &key, online, &change), ERR_OK);
            model.remote[n][u] = online;
        } else if (what == 18) {
            remote_snapshot(presence, &model, n);
        } else {
            presence_forget(presence, node(n), true, 0, visit, NULL);
            memset(model.remote[n], 0, sizeof model.remote[n]);
        }
        if (change.global)
            visited[u] += change.online ? 1 : 100;
        check_visits(&before, &model);
        size_t online = 0, local = 0;
        for (unsigned i = 0; i < USERS; i++) {
            online += model_online(&model, i);
            local += model.local[i] > 0;
        }
        assert_int_equal(presence_count(presence), online);
        assert_int_equal(presence_local_count(presence), local);
    }
    presence_free(&presence);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_connection_comes_online_and_the_last_goes_offline),
        cmocka_unit_test(a_user_stays_online_while_another_node_has_them),
        cmocka_unit_test(a_node_name_that_is_no_name_is_refused),
        cmocka_unit_test(random_steps_agree_with_a_plain_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
