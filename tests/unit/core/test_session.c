#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <roomcast/base/random.h>
#include <roomcast/core/session.h>

#define WALL_MS UINT64_C(1800000000000)
#define NOW_MS  UINT64_C(1000000)

static const struct session_rules rules = {
    .messages = {10, 1000, 5},
    .excess = {10, 1000, 3},
    .errors = {2, 60000, 2},
    .queue = {8, 4096},
    .max_rooms = 4,
    .ping_interval_ms = 25000,
    .ping_timeout_ms = 10000,
    .expiry_grace_ms = 25000,
    .close_timeout_ms = 5000,
    .slow_grace_ms = 4000,
};

static struct token_claims claims(const char *user, uint64_t expires_at)
{
    struct token_claims claims = {.expires_at = expires_at};
    struct room_key key;
    assert_int_equal(room_key_for_user(slice_of(user), &key), ERR_OK);
    claims.user = room_key_store(&key);
    assert_non_null(claims.user);
    return claims;
}

static void begin(struct session *session, uint64_t expires_at)
{
    struct token_claims given = claims("anna", expires_at);
    session_init(session, "abcdefghijkl", &given, &rules, WALL_MS, NOW_MS);
}

static void end(struct session *session)
{
    session_ended(session);
    session_fini(session);
}

static void a_ping_without_pong_is_noticed_after_the_timeout(void **state)
{
    (void)state;
    struct session session;
    begin(&session, 0);
    session_opened(&session, NOW_MS, 7000);
    assert_int_equal(session_next_due(&session), NOW_MS + 7000);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 6999), SESSION_DUE_NOTHING);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 7000), SESSION_DUE_PING);
    assert_int_equal(session_next_due(&session), NOW_MS + 17000);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 17000), SESSION_DUE_NO_PONG);
    end(&session);
}

static void a_stream_is_pinged_and_no_pong_is_waited_for(void **state)
{
    (void)state;
    struct session session;
    begin(&session, 0);
    session.is_stream = true;
    session_opened(&session, NOW_MS, 7000);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 7000), SESSION_DUE_PING);
    assert_int_equal(session_next_due(&session), NOW_MS + 32000);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 31999), SESSION_DUE_NOTHING);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 32000), SESSION_DUE_PING);
    end(&session);
}

static void a_pong_keeps_the_session(void **state)
{
    (void)state;
    struct session session;
    begin(&session, 0);
    session_opened(&session, NOW_MS, 1);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 1), SESSION_DUE_PING);
    session_ponged(&session);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 20000), SESSION_DUE_NOTHING);
    assert_int_equal(session_next_due(&session), NOW_MS + 1 + 25000);
    end(&session);
}

static void an_expired_token_ends_the_session_after_the_grace(void **state)
{
    (void)state;
    struct session session;
    begin(&session, WALL_MS / 1000 + 5);
    session_opened(&session, NOW_MS, 1000000);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 29999), SESSION_DUE_NOTHING);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 30000), SESSION_DUE_EXPIRED);
    end(&session);
}

static void a_fresh_token_of_the_same_user_moves_the_expiry(void **state)
{
    (void)state;
    struct session session;
    begin(&session, WALL_MS / 1000 + 5);
    session_opened(&session, NOW_MS, 1000000);
    struct token_claims fresh = claims("anna", WALL_MS / 1000 + 100);
    assert_int_equal(session_refresh(&session, &fresh, &rules, WALL_MS, NOW_MS), ERR_OK);
    assert_int_equal(session_next_due(&session), NOW_MS + 125000);
    end(&session);
}

static void a_token_of_another_user_refreshes_nothing(void **state)
{
    (void)state;
    struct session session;
    begin(&session, WALL_MS / 1000 + 5);
    struct token_claims other = claims("bert", WALL_MS / 1000 + 100);
    assert_int_equal(session_refresh(&session, &other, &rules, WALL_MS, NOW_MS), ERR_MISMATCH);
    assert_int_equal(session.claims.expires_at, WALL_MS / 1000 + 5);
    token_claims_release(&other);
    end(&session);
}

static void the_first_reason_to_close_stands(void **state)
{
    (void)state;
    struct session session;
    begin(&session, 0);
    session_opened(&session, NOW_MS, 1);
    assert_true(session_begin_close(&session, CLOSE_NO_PONG, &rules, NOW_MS));
    assert_false(session_begin_close(&session, CLOSE_DRAINING, &rules, NOW_MS));
    assert_int_equal(session.close_reason, CLOSE_NO_PONG);
    end(&session);
}

static void a_closing_session_that_does_not_drain_is_dropped(void **state)
{
    (void)state;
    struct session session;
    begin(&session, WALL_MS / 1000 + 1);
    session_opened(&session, NOW_MS, 1);
    assert_true(session_begin_close(&session, CLOSE_DRAINING, &rules, NOW_MS));
    assert_int_equal(session_next_due(&session), NOW_MS + 5000);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 5000), SESSION_DUE_DROP);
    end(&session);
}

static void messages_beyond_the_rate_are_refused_then_end_the_session(void **state)
{
    (void)state;
    struct session session;
    begin(&session, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(session_admit_message(&session, &rules, NOW_MS), SESSION_ADMIT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(session_admit_message(&session, &rules, NOW_MS), SESSION_ADMIT_NOT);
    assert_int_equal(session_admit_message(&session, &rules, NOW_MS), SESSION_ADMIT_CLOSE);
    assert_int_equal(session_admit_message(&session, &rules, NOW_MS + 1000), SESSION_ADMIT);
    end(&session);
}

static void errors_are_tolerated_up_to_the_budget(void **state)
{
    (void)state;
    struct session session;
    begin(&session, 0);
    assert_true(session_tolerate_error(&session, &rules, NOW_MS));
    assert_true(session_tolerate_error(&session, &rules, NOW_MS));
    assert_false(session_tolerate_error(&session, &rules, NOW_MS));
    end(&session);
}

static void only_listed_chats_may_be_read(void **state)
{
    (void)state;
    struct session session;
    struct token_claims given = claims("anna", 0);
    given.chats = calloc(1, sizeof *given.chats);
    given.chats_count = 1;
    given.chats[0].bytes[0] = 9;
    struct room_key listed, other;
    struct uuid other_uuid = {{8}};
    room_key_for_chat(&given.chats[0], &listed);
    room_key_for_chat(&other_uuid, &other);
    session_init(&session, "abcdefghijkl", &given, &rules, WALL_MS, NOW_MS);
    assert_true(session_may_read(&session, &listed, &rules));
    assert_false(session_may_read(&session, &other, &rules));
    struct session_rules open = rules;
    open.open_authorization = true;
    assert_true(session_may_read(&session, &other, &open));
    end(&session);
}

static void a_client_that_takes_nothing_in_is_slow_after_the_grace(void **state)
{
    (void)state;
    struct session session;
    begin(&session, 0);
    session_opened(&session, NOW_MS, 20000);
    session_stalled(&session, &rules, NOW_MS + 100);
    session_stalled(&session, &rules, NOW_MS + 3000); /* still: the first time counts */
    assert_int_equal(session_next_due(&session), NOW_MS + 4100);
    session_progressed(&session, &rules, NOW_MS + 4000);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 4100), SESSION_DUE_NOTHING);
    session_stalled(&session, &rules, NOW_MS + 4200);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 8199), SESSION_DUE_NOTHING);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 8200), SESSION_DUE_SLOW);
    end(&session);
}

static void a_blocked_client_is_judged_by_progress_and_not_by_pongs(void **state)
{
    (void)state;
    struct session session;
    begin(&session, 0);
    session_opened(&session, NOW_MS, 1000);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 1000), SESSION_DUE_PING);
    session.is_blocked = true;
    session_progressed(&session, &rules, NOW_MS + 9000); /* the ping is behind what it is taking in */
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 11000), SESSION_DUE_NOTHING);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 19000), SESSION_DUE_NO_PONG);
    session_ponged(&session);
    /* The next ping is not sent into the pressure: it has to take something in instead. */
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 26000), SESSION_DUE_NOTHING);
    assert_int_equal(session.pong_by, 0);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 30000), SESSION_DUE_SLOW);
    end(&session);
}

static void a_look_at_rooms_that_are_behind_comes_due_once(void **state)
{
    (void)state;
    struct session session;
    begin(&session, 0);
    session_opened(&session, NOW_MS, 20000);
    session.catch_up_at = NOW_MS + 500;
    assert_int_equal(session_next_due(&session), NOW_MS + 500);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 500), SESSION_DUE_CATCH_UP);
    assert_int_equal(session_tick(&session, &rules, NOW_MS + 500), SESSION_DUE_NOTHING);
    end(&session);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ping_without_pong_is_noticed_after_the_timeout),
        cmocka_unit_test(a_stream_is_pinged_and_no_pong_is_waited_for),
        cmocka_unit_test(a_pong_keeps_the_session),
        cmocka_unit_test(an_expired_token_ends_the_session_after_the_grace),
        cmocka_unit_test(a_fresh_token_of_the_same_user_moves_the_expiry),
        cmocka_unit_test(a_token_of_another_user_refreshes_nothing),
        cmocka_unit_test(the_first_reason_to_close_stands),
        cmocka_unit_test(a_closing_session_that_does_not_drain_is_dropped),
        cmocka_unit_test(messages_beyond_the_rate_are_refused_then_end_the_session),
        cmocka_unit_test(errors_are_tolerated_up_to_the_budget),
        cmocka_unit_test(only_listed_chats_may_be_read),
        cmocka_unit_test(a_client_that_takes_nothing_in_is_slow_after_the_grace),
        cmocka_unit_test(a_blocked_client_is_judged_by_progress_and_not_by_pongs),
        cmocka_unit_test(a_look_at_rooms_that_are_behind_comes_due_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
