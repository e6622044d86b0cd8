#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <roomcast/base/random.h>
#include <roomcast/core/authz_cache.h>

#define KEEP_MS 60000

/* One user may have all, but where a test says otherwise. */
static const struct authz_limits limits = {
    .in_flight = 2, .in_flight_per_user = 2, .pending = 4, .known = 3, .known_per_user = 3, .wait_ms = 1000};
static const struct authz_limits shares = {
    .in_flight = 4, .in_flight_per_user = 2, .pending = 8, .known = 4, .known_per_user = 2, .wait_ms = 1000};

struct scene {
    struct authz_cache *cache;
    struct shared_text *claims;
    struct authz_waiter waiters[8];
};

static struct room_key user_key(const char *name)
{
    struct room_key key;
    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static int setup_with(void **state, const struct authz_limits *wanted)
{
    static struct scene scene;
    scene = (struct scene){.claims = shared_text_new(SLICE_LITERAL("{}"))};
    *state = &scene;
    return random_init() == ERR_OK && authz_cache_new(wanted, &scene.cache) == ERR_OK ? 0 : -1;
}

static int setup(void **state)
{
    return setup_with(state, &limits);
}

static int setup_shares(void **state)
{
    return setup_with(state, &shares);
}

static int teardown(void **state)
{
    struct scene *scene = *state;
    authz_give_up(scene->cache);
    authz_cache_free(&scene->cache);
    assert_int_equal(atomic_load(&scene->claims->holders), 1); /* no reference is left behind */
    shared_text_unref(&scene->claims);
    return 0;
}

static enum authz_verdict ask(struct scene *scene, const char *user, unsigned chat, unsigned waiter,
                              uint64_t now_ms)
{
    struct room_key key = user_key(user);
    struct uuid uuid = {{0}};
    uuid.bytes[15] = (unsigned char)chat;
    return authz_ask(scene->cache, &key, &uuid, scene->claims, &scene->waiters[waiter], now_ms);
}

/* The next question, which must be about that pair. */
static struct authz_pair *next(struct scene *scene, const char *user, unsigned chat)
{
    struct authz_question question;
    struct room_key key = user_key(user);
    assert_true(authz_next(scene->cache, &question));
    assert_true(room_key_equal(&question.user, &key));
    assert_int_equal(question.chat.bytes[15], chat);
    assert_ptr_equal(question.claims, scene->claims);
    shared_text_unref(&question.claims);
    return question.pair;
}

static void expect_no_next(struct scene *scene)
{
    struct authz_question question;
    assert_false(authz_next(scene->cache, &question));
}

/* The list holds these waiters, in order; ends with -1. */
static void expect_waiters(struct scene *scene, const struct authz_waiter *list, ...)
{
    va_list expected;
    va_start(expected, list);
    for (int waiter; (waiter = va_arg(expected, int)) >= 0; list = list->next) {
        assert_non_null(list);
        assert_ptr_equal(list, &scene->waiters[waiter]);
    }
    va_end(expected);
    assert_null(list);
}

/* Asked for by waiter 7, and answered at once. */
static void learn(struct scene *scene, const char *user, unsigned chat, bool allowed, uint64_t now_ms)
{
    assert_int_equal(ask(scene, user, chat, 7, now_ms), AUTHZ_WAIT);
    expect_waiters(scene, authz_answer(scene->cache, next(scene, user, chat), allowed, KEEP_MS, now_ms), 7,
                   -1);
}

static void all_who_ask_for_a_pair_wait_for_one_question(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_WAIT);
    assert_int_equal(ask(scene, "anna", 1, 1, 0), AUTHZ_WAIT);
    struct authz_pair *pair = next(scene, "anna", 1);
    assert_int_equal(ask(scene, "anna", 1, 2, 10), AUTHZ_WAIT); /* it is under way */
    expect_no_next(scene);
    assert_int_equal(authz_pending(scene->cache), 1);
    expect_waiters(scene, authz_answer(scene->cache, pair, true, KEEP_MS, 20), 0, 1, 2, -1);
    assert_int_equal(authz_pending(scene->cache), 0);
}

static void an_answer_holds_for_its_time_and_for_its_pair_only(void **state)
{
    struct scene *scene = *state;
    learn(scene, "anna", 1, true, 100);
    learn(scene, "anna", 2, false, 100);
    assert_int_equal(ask(scene, "anna", 1, 0, 100 + KEEP_MS - 1), AUTHZ_ALLOWED);
    assert_int_equal(ask(scene, "anna", 2, 0, 100 + KEEP_MS - 1), AUTHZ_DENIED);
    assert_int_equal(ask(scene, "bert", 1, 0, 100), AUTHZ_WAIT);
    expect_waiters(scene, authz_no_answer(scene->cache, next(scene, "bert", 1)), 0, -1);
    assert_int_equal(ask(scene, "anna", 1, 1, 100 + KEEP_MS), AUTHZ_WAIT);
    expect_waiters(scene, authz_answer(scene->cache, next(scene, "anna", 1), false, KEEP_MS, 100 + KEEP_MS),
                   1, -1);
    assert_int_equal(ask(scene, "anna", 1, 0, 100 + KEEP_MS), AUTHZ_DENIED);
}

static void no_answer_is_not_kept(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_WAIT);
    expect_waiters(scene, authz_no_answer(scene->cache, next(scene, "anna", 1)), 0, -1);
    assert_int_equal(ask(scene, "anna", 1, 1, 0), AUTHZ_WAIT);
    next(scene, "anna", 1);
}

static void an_answer_that_may_not_be_kept_serves_those_who_wait(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_WAIT);
    assert_int_equal(ask(scene, "anna", 1, 1, 0), AUTHZ_WAIT);
    expect_waiters(scene, authz_answer(scene->cache, next(scene, "anna", 1), true, 0, 0), 0, 1, -1);
    assert_int_equal(ask(scene, "anna", 1, 2, 0), AUTHZ_WAIT);
    next(scene, "anna", 1);
}

static void no_more_than_may_are_under_way_and_the_oldest_is_next(void **state)
{
    struct scene *scene = *state;
    for (unsigned chat = 1; chat <= 4; chat++)
        assert_int_equal(ask(scene, "anna", chat, chat, 0), AUTHZ_WAIT);
    struct authz_pair *first = next(scene, "anna", 1), *second = next(scene, "anna", 2);
    expect_no_next(scene);
    authz_no_answer(scene->cache, second);
    next(scene, "anna", 3);
    expect_no_next(scene);
    authz_answer(scene->cache, first, true, 0, 0);
    next(scene, "anna", 4);
}

static void more_pairs_than_may_be_pending_are_refused_but_not_more_waiters(void **state)
{
    struct scene *scene = *state;
    for (unsigned chat = 1; chat <= 4; chat++)
        assert_int_equal(ask(scene, "anna", chat, chat, 0), AUTHZ_WAIT);
    assert_int_equal(ask(scene, "anna", 5, 5, 0), AUTHZ_FULL);
    assert_int_equal(ask(scene, "bert", 1, 5, 0), AUTHZ_FULL);
    assert_int_equal(ask(scene, "anna", 4, 5, 0), AUTHZ_WAIT);
    authz_no_answer(scene->cache, next(scene, "anna", 1));
    assert_int_equal(ask(scene, "bert", 1, 6, 0), AUTHZ_WAIT);
}

static void who_waits_too_long_is_handed_back_and_an_unsent_question_is_dropped(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_WAIT);
    struct authz_pair *asked = next(scene, "anna", 1);
    assert_int_equal(ask(scene, "anna", 2, 1, 10), AUTHZ_WAIT);
    assert_int_equal(ask(scene, "anna", 1, 2, 20), AUTHZ_WAIT);
    expect_waiters(scene, authz_expire(scene->cache, 999), -1);
    expect_waiters(scene, authz_expire(scene->cache, 1010), 0, 1, -1);
    expect_no_next(scene);
    expect_waiters(scene, authz_answer(scene->cache, asked, true, KEEP_MS, 1015), 2, -1);
    assert_int_equal(ask(scene, "anna", 1, 0, 1020), AUTHZ_ALLOWED);
}

static void an_answer_counts_though_nobody_waits_for_it_any_more(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_WAIT);
    struct authz_pair *asked = next(scene, "anna", 1);
    expect_waiters(scene, authz_expire(scene->cache, 1000), 0, -1);
    expect_waiters(scene, authz_answer(scene->cache, asked, false, KEEP_MS, 1100), -1);
    assert_int_equal(ask(scene, "anna", 1, 0, 1100), AUTHZ_DENIED);
}

static void the_answer_used_longest_ago_makes_room(void **state)
{
    struct scene *scene = *state;
    for (unsigned chat = 1; chat <= 3; chat++)
        learn(scene, "anna", chat, true, 0);
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_ALLOWED);
    learn(scene, "bert", 9, true, 0);
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_ALLOWED);
    assert_int_equal(ask(scene, "anna", 3, 0, 0), AUTHZ_ALLOWED);
    assert_int_equal(ask(scene, "anna", 2, 0, 0), AUTHZ_WAIT);
}

static void users_take_turns(void **state)
{
    struct scene *scene = *state;
    for (unsigned chat = 1; chat <= 3; chat++)
        assert_int_equal(ask(scene, "anna", chat, chat - 1, 0), AUTHZ_WAIT);
    for (unsigned chat = 1; chat <= 3; chat++)
        assert_int_equal(ask(scene, "bert", chat, chat + 2, 0), AUTHZ_WAIT);
    struct authz_pair *annas = next(scene, "anna", 1);
    next(scene, "bert", 1);
    next(scene, "anna", 2);
    next(scene, "bert", 2);
    authz_no_answer(scene->cache, annas);
    next(scene, "anna", 3);
    expect_no_next(scene); /* as many are under way as may be */
}

static void a_user_with_its_share_under_way_waits_though_no_others_do(void **state)
{
    struct scene *scene = *state;
    for (unsigned chat = 1; chat <= 3; chat++)
        assert_int_equal(ask(scene, "anna", chat, chat, 0), AUTHZ_WAIT);
    next(scene, "anna", 1);
    struct authz_pair *second = next(scene, "anna", 2);
    expect_no_next(scene);
    assert_int_equal(ask(scene, "bert", 1, 0, 0), AUTHZ_WAIT);
    next(scene, "bert", 1);
    authz_answer(scene->cache, second, true, KEEP_MS, 0);
    next(scene, "anna", 3);
}

static void one_users_answers_do_not_push_out_anothers(void **state)
{
    struct scene *scene = *state;
    learn(scene, "bert", 1, true, 0);
    for (unsigned chat = 1; chat <= 20; chat++)
        learn(scene, "anna", chat, false, 0);
    assert_int_equal(ask(scene, "bert", 1, 0, 0), AUTHZ_ALLOWED);
    assert_int_equal(ask(scene, "anna", 20, 0, 0), AUTHZ_DENIED);
    assert_int_equal(ask(scene, "anna", 19, 0, 0), AUTHZ_DENIED);
    assert_int_equal(ask(scene, "anna", 18, 0, 0), AUTHZ_WAIT);
}

static void a_forgotten_user_is_asked_for_anew_and_others_are_not(void **state)
{
    struct scene *scene = *state;
    learn(scene, "anna", 1, true, 0);
    learn(scene, "bert", 1, true, 0);
    struct room_key anna = user_key("anna"), nobody = user_key("nobody");
    authz_forget_user(scene->cache, &anna);
    authz_forget_user(scene->cache, &nobody);
    assert_int_equal(ask(scene, "bert", 1, 0, 0), AUTHZ_ALLOWED);
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_WAIT);
    next(scene, "anna", 1);
}

static void a_question_from_before_the_forgetting_answers_only_who_waited_then(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_WAIT);
    struct authz_pair *old = next(scene, "anna", 1);
    assert_int_equal(ask(scene, "anna", 2, 1, 0), AUTHZ_WAIT);
    struct room_key anna = user_key("anna");
    authz_forget_user(scene->cache, &anna);
    assert_int_equal(ask(scene, "anna", 1, 2, 0), AUTHZ_WAIT);
    expect_waiters(scene, authz_answer(scene->cache, old, true, KEEP_MS, 0), 0, -1);
    struct authz_pair *queued_before = next(scene, "anna", 2), *fresh = next(scene, "anna", 1);
    expect_waiters(scene, authz_answer(scene->cache, queued_before, true, KEEP_MS, 0), 1, -1);
    expect_waiters(scene, authz_answer(scene->cache, fresh, false, KEEP_MS, 0), 2, -1);
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_DENIED);
    assert_int_equal(ask(scene, "anna", 2, 0, 0), AUTHZ_WAIT);
}

static void at_the_end_everybody_is_handed_back(void **state)
{
    struct scene *scene = *state;
    learn(scene, "anna", 3, true, 0);
    assert_int_equal(ask(scene, "anna", 1, 0, 0), AUTHZ_WAIT);
    next(scene, "anna", 1);
    assert_int_equal(ask(scene, "anna", 2, 1, 500), AUTHZ_WAIT);
    expect_waiters(scene, authz_give_up(scene->cache), 0, 1, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_who_ask_for_a_pair_wait_for_one_question),
        TEST(an_answer_holds_for_its_time_and_for_its_pair_only),
        TEST(no_answer_is_not_kept),
        TEST(an_answer_that_may_not_be_kept_serves_those_who_wait),
        TEST(no_more_than_may_are_under_way_and_the_oldest_is_next),
        TEST(more_pairs_than_may_be_pending_are_refused_but_not_more_waiters),
        TEST(who_waits_too_long_is_handed_back_and_an_unsent_question_is_dropped),
        TEST(an_answer_counts_though_nobody_waits_for_it_any_more),
        TEST(the_answer_used_longest_ago_makes_room),
        cmocka_unit_test_setup_teardown(users_take_turns, setup_shares, teardown),
        cmocka_unit_test_setup_teardown(a_user_with_its_share_under_way_waits_though_no_others_do,
                                        setup_shares, teardown),
        cmocka_unit_test_setup_teardown(one_users_answers_do_not_push_out_anothers, setup_shares, teardown),
        TEST(a_forgotten_user_is_asked_for_anew_and_others_are_not),
        TEST(a_question_from_before_the_forgetting_answers_only_who_waited_then),
        TEST(at_the_end_everybody_is_handed_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
