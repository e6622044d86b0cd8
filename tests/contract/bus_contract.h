/* The contract of include/roomcast/io/bus.h as tests; each is run over every adapter. */
#ifndef ROOMCAST_TESTS_BUS_CONTRACT_H
#define ROOMCAST_TESTS_BUS_CONTRACT_H

#include "bus_fixture.h"

/* bus_contract_store.c */
void stored_events_arrive_live_in_order(void **state);
void a_known_id_is_not_stored_again(void **state);
void a_wrong_expectation_is_fenced(void **state);
void expecting_nothing_holds_only_for_an_empty_subject(void **state);
void last_finds_the_last_or_none(void **state);
void next_walks_a_subject_in_order(void **state);
void bytes_survive_unchanged(void **state);
void what_is_stored_after_last_is_received(void **state);
void several_threads_store_at_once(void **state);
void closing_answers_each_request_once(void **state);

/* bus_contract_read.c */
void each_sequence_is_read_where_it_is_stored(void **state);
void one_server_reads_at_once_what_it_acknowledged(void **state);
void a_sequence_of_another_subject_is_none(void **state);
void a_sequence_that_is_not_stored_yet_is_none(void **state);
void a_sequence_that_was_trimmed_away_is_none(void **state);
void bytes_are_read_unchanged(void **state);
void five_hundred_reads_of_four_threads_are_answered_once_each(void **state);
void closing_answers_each_read_once(void **state);
void the_extent_grows_with_what_is_stored_and_starts_where_the_stream_does(void **state);
void the_extent_tells_what_was_trimmed_away(void **state);
/* With several shards. */
void each_shard_numbers_what_it_holds_by_itself(void **state);
void the_same_id_in_two_shards_is_stored_twice(void **state);
void a_fence_holds_in_each_shard(void **state);

/* bus_contract_live.c */
void signals_reach_all_subscribers(void **state);
void nothing_comes_after_the_release(void **state);
void each_of_many_subscriptions_gets_its_own(void **state);
void subscriptions_come_and_go_while_messages_flow(void **state);
void closing_ends_subscriptions_that_are_held(void **state);
void callbacks_may_call_the_bus(void **state);
void below_a_subject_all_with_one_token_more_are_heard(void **state);
void below_and_the_subject_itself_are_heard_side_by_side(void **state);

/* bus_contract_ask.c */
void a_question_gets_the_first_answer(void **state);
void a_signal_asks_for_no_answer(void **state);
void without_anybody_to_ask_the_answer_comes_at_once(void **state);
void silence_ends_with_the_timeout(void **state);
void a_late_answer_goes_nowhere(void **state);
void a_thousand_questions_at_once_get_their_own_answers(void **state);
void deadlines_of_questions_hold_in_any_order(void **state);
void closing_answers_each_question_once(void **state);

#endif
