/* Usage: test_bus_contract memory|nats|nats_at_once|memory_shards|nats_shards */
#include <string.h>

#include <roomcast/base/log.h>
#include <roomcast/base/random.h>

#include "bus_contract.h"

static struct world world;

static int start_server(void **state)
{
    (void)state;
    if (world.adapter == ADAPTER_NATS) {
        nats_process_init(&world.nats);
        nats_process_start(&world.nats);
    }
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    if (world.adapter == ADAPTER_NATS)
        nats_process_fini(&world.nats);
    return 0;
}

static int connect_bus(void **state)
{
    world.prefix[0] = '\0';
    world_connect(&world, NULL);
    world_ready(&world);
    *state = &world;
    return 0;
}

static int free_bus(void **state)
{
    (void)state;
    bus_free(&world.bus);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, connect_bus, free_bus)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(stored_events_arrive_live_in_order),
        TEST(a_known_id_is_not_stored_again),
        TEST(a_wrong_expectation_is_fenced),
        TEST(expecting_nothing_holds_only_for_an_empty_subject),
        TEST(last_finds_the_last_or_none),
        TEST(next_walks_a_subject_in_order),
        TEST(bytes_survive_unchanged),
        TEST(what_is_stored_after_last_is_received),
        TEST(several_threads_store_at_once),
        TEST(closing_answers_each_request_once),
        TEST(each_sequence_is_read_where_it_is_stored),
        TEST(one_server_reads_at_once_what_it_acknowledged),
        TEST(a_sequence_of_another_subject_is_none),
        TEST(a_sequence_that_is_not_stored_yet_is_none),
        TEST(a_sequence_that_was_trimmed_away_is_none),
        TEST(bytes_are_read_unchanged),
        TEST(five_hundred_reads_of_four_threads_are_answered_once_each),
        TEST(closing_answers_each_read_once),
        TEST(the_extent_grows_with_what_is_stored_and_starts_where_the_stream_does),
        TEST(the_extent_tells_what_was_trimmed_away),
        TEST(signals_reach_all_subscribers),
        TEST(nothing_comes_after_the_release),
        TEST(each_of_many_subscriptions_gets_its_own),
        TEST(subscriptions_come_and_go_while_messages_flow),
        TEST(closing_ends_subscriptions_that_are_held),
        TEST(callbacks_may_call_the_bus),
        TEST(below_a_subject_all_with_one_token_more_are_heard),
        TEST(below_and_the_subject_itself_are_heard_side_by_side),
        TEST(a_question_gets_the_first_answer),
        TEST(a_signal_asks_for_no_answer),
        TEST(without_anybody_to_ask_the_answer_comes_at_once),
        TEST(silence_ends_with_the_timeout),
        TEST(a_late_answer_goes_nowhere),
        TEST(a_thousand_questions_at_once_get_their_own_answers),
        TEST(deadlines_of_questions_hold_in_any_order),
        TEST(closing_answers_each_question_once),
    };

    const struct CMUnitTest tests_of_shards[] = {
        TEST(each_shard_numbers_what_it_holds_by_itself),
        TEST(the_same_id_in_two_shards_is_stored_twice),
        TEST(a_fence_holds_in_each_shard),
    };

    world.adapter = argc > 1 && strncmp(argv[1], "nats", 4) == 0 ? ADAPTER_NATS : ADAPTER_MEMORY;
    world.send_at_once = argc > 1 && strcmp(argv[1], "nats_at_once") == 0;
    world.shards = argc > 1 && strstr(argv[1], "_shards") ? 5 : 0;
    if (random_init() != ERR_OK)
        return 1;
    log_init(LOG_WARN, LOG_LOGFMT, NULL);
    int failed = cmocka_run_group_tests_name(argv[1], tests, start_server, stop_server);
    if (world.shards)
        failed += cmocka_run_group_tests_name("several streams", tests_of_shards, start_server, stop_server);
    return failed;
}
