#include "places.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CHAT  "22222222-2222-4222-8222-222222222222"
#define OTHER "33333333-3333-4333-8333-333333333333"

static struct places made(void)
{
    struct places places;
    places_init(&places);
    assert_int_equal(places_add_chat(&places, CHAT), ERR_OK);
    return places;
}

static enum place_verdict take(struct place *place, const char *epoch, uint64_t seq)
{
    struct heard_position at = {.seq = seq};
    strcpy(at.epoch, epoch);
    return place_take(place, &at);
}

static void assert_subscribes(struct places *places, bool again, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 65536);
    assert_int_equal(places_append_subscribe(places, again, &out), expected != NULL);
    if (expected)
        assert_string_equal(buffer_text(&out), expected);
    buffer_fini(&out);
}

static void a_chat_is_named_once_in_any_case(void **state)
{
    (void)state;
    struct places places = made();
    assert_int_equal(places_add_chat(&places, CHAT), ERR_OK);
    assert_int_equal(places.chats_count, 1);
    assert_int_equal(places_add_chat(&places, "general"), ERR_SYNTAX);
    for (unsigned i = 1; i < COMMAND_LIST_MAX; i++) {
        char chat[] = OTHER;
        chat[0] = "0123456789abcdef"[i >> 4];
        chat[1] = "0123456789abcdef"[i & 15];
        assert_int_equal(places_add_chat(&places, chat), ERR_OK);
    }
    assert_int_equal(places_add_chat(&places, "ffffffff-3333-4333-8333-333333333333"), ERR_BUSY);
}

static void events_are_taken_once_and_in_turn(void **state)
{
    (void)state;
    struct places places = made();
    struct place *place = &places.chats[0];
    assert_int_equal(take(place, "k", 5), PLACE_NEXT);
    assert_int_equal(take(place, "k", 5), PLACE_REPEATED);
    assert_int_equal(take(place, "k", 4), PLACE_REPEATED);
    assert_int_equal(take(place, "k", 7), PLACE_GAP);
    assert_int_equal(take(place, "k", 6), PLACE_NEXT);
    assert_int_equal(take(place, "k", 7), PLACE_NEXT);
    assert_int_equal(take(place, "n", 1), PLACE_NEXT);
    assert_int_equal(take(place, "n", 3), PLACE_GAP);
}

static void a_place_is_sent_back_and_the_first_time_there_is_none(void **state)
{
    (void)state;
    struct places places = made();
    assert_subscribes(&places, false, "{\"type\":\"subscribe.chat\",\"chats\":[{\"chat_id\":\"" CHAT "\"}]}");
    take(&places.chats[0], "k\"3", 9007199254740991);
    places_begin(&places);
    assert_subscribes(&places, true, NULL);
    assert_subscribes(&places, false,
                      "{\"type\":\"subscribe.chat\",\"chats\":[{\"chat_id\":\"" CHAT
                      "\",\"since\":{\"epoch\":\"k\\\"3\",\"seq\":9007199254740991}}]}");
    assert_subscribes(&places, true,
                      "{\"type\":\"subscribe.chat\",\"chats\":[{\"chat_id\":\"" CHAT
                      "\",\"since\":{\"epoch\":\"k\\\"3\",\"seq\":9007199254740991}}]}");
}

static void an_ack_moves_the_place_only_when_nothing_follows_it(void **state)
{
    (void)state;
    struct places places = made();
    struct place *place = &places.chats[0];
    struct heard_message ack = {.kind = HEARD_SUBSCRIBED, .has_position = true, .position = {"k", 10}};

    assert_true(place_settle(place, &ack));
    assert_int_equal(place->at.seq, 10);
    ack = (struct heard_message){
        .has_position = true, .position = {"k", 15}, .has_recovered = true, .recovered = true, .replayed = 5};
    assert_true(place_settle(place, &ack));
    assert_int_equal(take(place, "k", 11), PLACE_NEXT);
    ack.recovered = false;
    assert_false(place_settle(place, &ack));
    assert_int_equal(take(place, "k", 15), PLACE_REPEATED);
    assert_int_equal(take(place, "k", 16), PLACE_NEXT);
}

static void a_chat_that_is_over_is_not_asked_for_again(void **state)
{
    (void)state;
    struct places places = made();
    assert_int_equal(places_add_chat(&places, OTHER), ERR_OK);
    places.chats[0].is_over = true;
    assert_true(places_any_left(&places));
    assert_false(places_all_heard(&places));
    assert_subscribes(&places, false,
                      "{\"type\":\"subscribe.chat\",\"chats\":[{\"chat_id\":\"" OTHER "\"}]}");
    places.chats[1].was_heard = true;
    assert_true(places_all_heard(&places));
    places.chats[1].is_over = true;
    assert_false(places_any_left(&places));
    places_init(&places);
    assert_true(places_any_left(&places));
}

static void since_is_epoch_and_number(void **state)
{
    static const char *const wrong[] = {
        "", ":", "a", "a:", ":1", "a:1x", "a:-1", "a:9007199254740992", "a\n:1", "a:99999999999999999999999"};
    (void)state;
    struct places places = made();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(places_set_since(&places, wrong[i]), ERR_SYNTAX);
    assert_false(places.chats[0].is_known);
    assert_int_equal(places_set_since(&places, "k:3x9:1042"), ERR_OK);
    assert_string_equal(places.chats[0].at.epoch, "k:3x9");
    assert_int_equal(places.chats[0].at.seq, 1042);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_is_named_once_in_any_case),
        cmocka_unit_test(events_are_taken_once_and_in_turn),
        cmocka_unit_test(a_place_is_sent_back_and_the_first_time_there_is_none),
        cmocka_unit_test(an_ack_moves_the_place_only_when_nothing_follows_it),
        cmocka_unit_test(a_chat_that_is_over_is_not_asked_for_again),
        cmocka_unit_test(since_is_epoch_and_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
