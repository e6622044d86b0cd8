#include <stdio.h>
#include <string.h>

#include "bus_contract.h"

void stored_events_arrive_live_in_order(void **state)
{
    struct world *world = *state;
    struct box box;
    uint64_t seqs[50], last = 0;
    char text[16];

    box_init(&box);
    struct bus_subscription *subscription =
        box_subscribe(&box, world->bus, subject_of(world, "live", "chat.1"));
    for (size_t i = 0; i < 50; i++) {
        snprintf(text, sizeof text, "event-%zu", i);
        last = seqs[i] = store_good(world, "chat.1", text, last, text);
    }
    for (size_t i = 0; i < 50; i++) {
        struct letter letter = box_letter(&box, i);
        snprintf(text, sizeof text, "event-%zu", i);
        assert_string_equal(letter.data, text);
        assert_string_equal(letter.subject, subject_of(world, "live", "chat.1"));
        assert_int_equal(letter.stream_seq, seqs[i]);
        assert_true(i == 0 || seqs[i] > seqs[i - 1]);
    }
    box_leave(&box, world->bus, &subscription);
    box_fini(&box);
}

void a_known_id_is_not_stored_again(void **state)
{
    struct world *world = *state;
    struct box box;

    box_init(&box);
    struct bus_subscription *subscription =
        box_subscribe(&box, world->bus, subject_of(world, "live", "chat.2"));
    uint64_t first = store_good(world, "chat.2", "same", 0, "one");
    struct bus_store_result again = store_now(world, "chat.2", "same", first, "two");
    assert_int_equal(again.status, BUS_DUPLICATE);
    assert_int_equal(again.stream_seq, first);
    store_good(world, "chat.2", "other", first, "three");
    assert_string_equal(box_letter(&box, 0).data, "one");
    assert_string_equal(box_letter(&box, 1).data, "three");
    box_leave(&box, world->bus, &subscription);
    box_fini(&box);
}

void a_wrong_expectation_is_fenced(void **state)
{
    struct world *world = *state;
    struct box box;

    box_init(&box);
    struct bus_subscription *subscription =
        box_subscribe(&box, world->bus, subject_of(world, "live", "chat.3"));
    uint64_t first = store_good(world, "chat.3", "fence-1", 0, "one");
    store_good(world, "chat.other", "fence-other", 0, "elsewhere");
    assert_int_equal(store_now(world, "chat.3", "fence-2", first + 1, "two").status, BUS_FENCED);
    struct last_copy last = last_now(world, "chat.3");
    assert_int_equal(last.status, BUS_LAST_FOUND);
    assert_int_equal(last.stream_seq, first);
    store_good(world, "chat.3", "fence-2", first, "three");
    assert_string_equal(box_letter(&box, 0).data, "one");
    assert_string_equal(box_letter(&box, 1).data, "three");
    box_leave(&box, world->bus, &subscription);
    box_fini(&box);
}

void expecting_nothing_holds_only_for_an_empty_subject(void **state)
{
    struct world *world = *state;

    store_good(world, "chat.4", "empty-1", 0, "one");
    assert_int_equal(store_now(world, "chat.4", "empty-2", 0, "two").status, BUS_FENCED);
    assert_int_equal(store_now(world, "chat.5", "empty-3", 7, "three").status, BUS_FENCED);
    assert_int_equal(last_now(world, "chat.5").status, BUS_LAST_NONE);
}

void last_finds_the_last_or_none(void **state)
{
    struct world *world = *state;

    assert_int_equal(last_now(world, "chat.6").status, BUS_LAST_NONE);
    uint64_t first = store_good(world, "chat.6", "last-1", 0, "one");
    uint64_t second = store_good(world, "chat.6", "last-2", first, "two");
    struct last_copy last = last_now(world, "chat.6");
    assert_int_equal(last.status, BUS_LAST_FOUND);
    assert_int_equal(last.stream_seq, second);
    assert_int_equal(last.len, 3);
    assert_memory_equal(last.data, "two", 3);
    assert_int_equal(last_now(world, "chat.60").status, BUS_LAST_NONE);
    assert_int_equal(last_now(world, "user.6").status, BUS_LAST_NONE);
}

void next_walks_a_subject_in_order(void **state)
{
    struct world *world = *state;
    uint64_t seqs[3], after = 0;

    assert_int_equal(next_now(world, "chat.next", 0).status, BUS_LAST_NONE);
    for (unsigned i = 0; i < 3; i++) {
        char id[24], other[24];
        snprintf(id, sizeof id, "next-%u", i);
        snprintf(other, sizeof other, "chat.other-%u", i);
        store_good(world, other, other, 0, "x");
        seqs[i] = store_now(world, "chat.next", id, i == 0 ? 0 : seqs[i - 1], id).stream_seq;
    }
    for (unsigned i = 0; i < 3; i++) {
        struct last_copy next = next_now(world, "chat.next", after);
        assert_int_equal(next.status, BUS_LAST_FOUND);
        assert_int_equal(next.stream_seq, seqs[i]);
        after = next.stream_seq;
    }
    assert_int_equal(next_now(world, "chat.next", after).status, BUS_LAST_NONE);
}

void bytes_survive_unchanged(void **state)
{
    struct world *world = *state;
    unsigned char bytes[256];
    struct box box;
    uint64_t expect = 0;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    box_init(&box);
    struct bus_subscription *subscription =
        box_subscribe(&box, world->bus, subject_of(world, "live", "chat.7"));
    const size_t lengths[] = {256, 0, 1, 2, 3};
    for (size_t i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "bytes-%zu", i);
        struct bus_store_request request = {.subject = subject_of(world, "ev", "chat.7"),
                                            .message_id = id,
                                            .expect_last = expect,
                                            .data = {(const char *)bytes, lengths[i]},
                                            .timeout_ms = 5000};
        struct bus_store_result result = store_request_now(world->bus, &request);
        assert_int_equal(result.status, BUS_STORED);
        expect = result.stream_seq;
        struct last_copy last = last_now(world, "chat.7");
        assert_int_equal(last.status, BUS_LAST_FOUND);
        assert_int_equal(last.len, lengths[i]);
        assert_memory_equal(last.data, bytes, lengths[i]);
        struct letter letter = box_letter(&box, i);
        assert_int_equal(letter.len, lengths[i]);
        assert_memory_equal(letter.data, bytes, lengths[i]);
    }
    box_leave(&box, world->bus, &subscription);
    box_fini(&box);
}

void what_is_stored_after_last_is_received(void **state)
{
    enum { ROUNDS = 200 };
    struct world *world = *state;
    struct box boxes[ROUNDS];

    for (unsigned i = 0; i < ROUNDS; i++) {
        char name[24];
        box_init(&boxes[i]);
        snprintf(name, sizeof name, "chat.after-%u", i);
        struct bus_subscription *subscription =
            box_subscribe(&boxes[i], world->bus, subject_of(world, "live", name));
        assert_int_equal(last_now(world, name).status, BUS_LAST_NONE);
        store_good(world, name, name, 0, name);
        assert_string_equal(box_letter(&boxes[i], 0).data, name);
        bus_unsubscribe(world->bus, &subscription, box_released);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_true(counter_reaches(&boxes[i].released, 1));
        box_fini(&boxes[i]);
    }
}

/* --- threads --- */

struct writer {
    struct world *world;
    char name[16];
    pthread_t thread;
    bool good;
};

static void *write_events(void *arg)
{
    struct writer *writer = arg;
    uint64_t expect = 0;

    writer->good = true;
    for (unsigned i = 0; i < 100 && writer->good; i++) {
        char id[40];
        snprintf(id, sizeof id, "%s-%u", writer->name, i);
        struct bus_store_result result = store_now(writer->world, writer->name, id, expect, id);
        writer->good = result.status == BUS_STORED && result.stream_seq > expect;
        expect = result.stream_seq;
    }
    return NULL;
}

void several_threads_store_at_once(void **state)
{
    struct writer writers[4];
    struct bus_subscription *subscriptions[4];
    struct box boxes[4];
    char text[40];

    for (unsigned i = 0; i < 4; i++) {
        writers[i] = (struct writer){.world = *state};
        snprintf(writers[i].name, sizeof writers[i].name, "chat.w%u", i);
        box_init(&boxes[i]);
        subscriptions[i] =
            box_subscribe(&boxes[i], writers[i].world->bus, subject_of(*state, "live", writers[i].name));
    }
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_events, &writers[i]), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(writers[i].thread, NULL);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(writers[i].good);
        for (unsigned j = 0; j < 100; j++) {
            snprintf(text, sizeof text, "%s-%u", writers[i].name, j);
            assert_string_equal(box_letter(&boxes[i], j).data, text);
        }
        box_leave(&boxes[i], writers[i].world->bus, &subscriptions[i]);
        box_fini(&boxes[i]);
    }
}

/* --- the end --- */

static void count_store(void *context, const struct bus_store_result *result)
{
    (void)result;
    counter_add(context, 1);
}

static void count_last(void *context, const struct bus_last_result *result)
{
    (void)result;
    counter_add(context, 1);
}

void closing_answers_each_request_once(void **state)
{
    enum { REQUESTS = 200 };
    struct world *world = *state;
    struct counter answers[2 * REQUESTS];
    char name[24];

    for (unsigned i = 0; i < REQUESTS; i++) {
        answers[i] = answers[REQUESTS + i] = (struct counter)COUNTER_INIT;
        snprintf(name, sizeof name, "chat.open-%u", i);
        struct bus_store_request request = {.subject = subject_of(world, "ev", name),
                                            .message_id = name,
                                            .data = SLICE_LITERAL("x"),
                                            .timeout_ms = 5000};
        bus_store(world->bus, &request, count_store, &answers[i]);
        bus_last(world->bus, request.subject, 5000, count_last, &answers[REQUESTS + i]);
    }
    bus_free(&world->bus);
    assert_null(world->bus);
    for (unsigned i = 0; i < 2 * REQUESTS; i++)
        assert_int_equal(counter_get(&answers[i]), 1);
}
