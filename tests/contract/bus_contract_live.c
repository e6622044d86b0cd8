#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_contract.h"

static void publish(struct world *world, const char *subject, const char *data)
{
    assert_int_equal(bus_publish(world->bus, subject, slice_of(data)), ERR_OK);
}

void signals_reach_all_subscribers(void **state)
{
    struct world *world = *state;
    const char *subject = subject_of(world, "sig", "typing.1");
    struct bus_subscription *subscriptions[3];
    struct box boxes[3];

    for (size_t i = 0; i < 3; i++) {
        box_init(&boxes[i]);
        subscriptions[i] = box_subscribe(&boxes[i], world->bus, subject);
    }
    publish(world, subject, "one");
    publish(world, subject, "");
    publish(world, subject, "three");
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(box_letter(&boxes[i], 0).data, "one");
        assert_int_equal(box_letter(&boxes[i], 0).stream_seq, 0);
        assert_int_equal(box_letter(&boxes[i], 1).len, 0);
        assert_string_equal(box_letter(&boxes[i], 2).data, "three");
        box_leave(&boxes[i], world->bus, &subscriptions[i]);
        box_fini(&boxes[i]);
    }
}

void nothing_comes_after_the_release(void **state)
{
    struct world *world = *state;
    const char *subject = subject_of(world, "sig", "end");
    struct box leaving, staying;

    box_init(&leaving);
    box_init(&staying);
    struct bus_subscription *first = box_subscribe(&leaving, world->bus, subject);
    struct bus_subscription *second = box_subscribe(&staying, world->bus, subject);
    publish(world, subject, "before");
    box_letter(&leaving, 0);
    box_leave(&leaving, world->bus, &first);
    size_t count = counter_get(&leaving.count);
    for (unsigned i = 0; i < 100; i++)
        publish(world, subject, "after");
    box_letter(&staying, 100);
    assert_int_equal(counter_get(&leaving.count), count);
    assert_int_equal(counter_get(&leaving.released), 1);
    box_leave(&staying, world->bus, &second);
    box_fini(&leaving);
    box_fini(&staying);
}

void each_of_many_subscriptions_gets_its_own(void **state)
{
    enum { MANY = 2000 };
    struct world *world = *state;
    struct box *boxes = calloc(MANY, sizeof *boxes);
    struct bus_subscription **subscriptions = calloc(MANY, sizeof *subscriptions);
    char name[24];

    assert_true(boxes && subscriptions);
    for (unsigned i = 0; i < MANY; i++) {
        box_init(&boxes[i]);
        snprintf(name, sizeof name, "many.%u", i);
        subscriptions[i] = box_subscribe(&boxes[i], world->bus, subject_of(world, "sig", name));
    }
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many.%u", i);
        publish(world, subject_of(world, "sig", name), name);
    }
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "many.%u", i);
        assert_string_equal(box_letter(&boxes[i], 0).data, name);
        bus_unsubscribe(world->bus, &subscriptions[i], box_released);
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(counter_reaches(&boxes[i].released, 1));
        assert_int_equal(counter_get(&boxes[i].count), 1);
        box_fini(&boxes[i]);
    }
    free(boxes);
    free(subscriptions);
}

static struct bus_subscription *box_subscribe_below(struct box *box, struct bus *bus, const char *subject)
{
    struct bus_subscription *subscription = NULL;

    assert_int_equal(bus_subscribe_below(bus, subject, box_receive, box, &subscription), ERR_OK);
    return subscription;
}

void below_a_subject_all_with_one_token_more_are_heard(void **state)
{
    struct world *world = *state;
    struct box box;
    char subject[96];

    box_init(&box);
    snprintf(subject, sizeof subject, "%s", subject_of(world, "sig", "chat"));
    struct bus_subscription *subscription = box_subscribe_below(&box, world->bus, subject);
    publish(world, subject, "itself");
    publish(world, subject_of(world, "sig", "chat.1.more"), "two tokens more");
    publish(world, subject_of(world, "sig", "chats.1"), "another subject");
    publish(world, subject_of(world, "sig", "chat.1"), "one");
    publish(world, subject_of(world, "sig", "chat.2"), "two");
    assert_string_equal(box_letter(&box, 0).data, "one");
    assert_string_equal(box_letter(&box, 0).subject, subject_of(world, "sig", "chat.1"));
    assert_string_equal(box_letter(&box, 1).data, "two");
    assert_string_equal(box_letter(&box, 1).subject, subject_of(world, "sig", "chat.2"));
    box_leave(&box, world->bus, &subscription);
    box_fini(&box);
}

void below_and_the_subject_itself_are_heard_side_by_side(void **state)
{
    struct world *world = *state;
    struct box all, one;

    box_init(&all);
    box_init(&one);
    struct bus_subscription *below =
        box_subscribe_below(&all, world->bus, subject_of(world, "sig", "beside"));
    struct bus_subscription *exact = box_subscribe(&one, world->bus, subject_of(world, "sig", "beside.1"));
    publish(world, subject_of(world, "sig", "beside.1"), "for both");
    assert_string_equal(box_letter(&all, 0).data, "for both");
    assert_string_equal(box_letter(&one, 0).data, "for both");
    box_leave(&all, world->bus, &below);
    publish(world, subject_of(world, "sig", "beside.1"), "for one");
    assert_string_equal(box_letter(&one, 1).data, "for one");
    assert_int_equal(counter_get(&all.count), 1);
    box_leave(&one, world->bus, &exact);
    box_fini(&all);
    box_fini(&one);
}

/* --- coming and going --- */

#define FLOW_SUBJECTS 8

struct flow {
    struct world *world;
    atomic_bool stop;
    struct counter received, released, echoes;
};

/* What a subscription's owner frees when it is released; a message after that is a use after free. */
struct guest {
    struct flow *flow;
    unsigned received;
};

static void hear_echo(void *context, struct bus_message *message)
{
    bus_message_free(&message);
    counter_add(&((struct flow *)context)->echoes, 1);
}

/* Hears itself every hundred messages, so that it never gets further ahead of the receivers. */
static void *keep_publishing(void *arg)
{
    struct flow *flow = arg;
    struct bus *bus = flow->world->bus;
    char name[16];

    for (size_t i = 1; !atomic_load(&flow->stop); i++) {
        snprintf(name, sizeof name, "flow.%zu", i % FLOW_SUBJECTS);
        if (bus_publish(bus, subject_of(flow->world, "sig", name), SLICE_LITERAL("data")) != ERR_OK)
            abort();
        if (i % 100 == 0 &&
            (bus_publish(bus, subject_of(flow->world, "sig", "echo"), SLICE_LITERAL("")) != ERR_OK ||
             !counter_reaches(&flow->echoes, i / 100)))
            abort();
    }
    return NULL;
}

static void guest_receive(void *context, struct bus_message *message)
{
    struct guest *guest = context;

    guest->received++;
    bus_message_free(&message);
    counter_add(&guest->flow->received, 1);
}

static void guest_released(void *context)
{
    struct guest *guest = context;
    struct flow *flow = guest->flow;

    free(guest);
    counter_add(&flow->released, 1);
}

/* natsSubscription_Destroy() on a subscription that is receiving is a use after free in nats.c 3.4.1. What
 * this test notices, in an ordinary build: without the flush 6 runs of 8 crashed, with each one destroyed
 * right after its unsubscribe 8 of 8, as it is 0 of 8. With a fifth of the rounds it noticed little. */
void subscriptions_come_and_go_while_messages_flow(void **state)
{
    enum { ROUNDS = 20000, AT_ONCE = 100, PER_ROUND = 20 };
    struct flow flow = {
        .world = *state, .received = COUNTER_INIT, .released = COUNTER_INIT, .echoes = COUNTER_INIT};
    struct bus_subscription *ring[AT_ONCE] = {NULL}, *echo;
    pthread_t thread;
    char name[16];

    assert_int_equal(
        bus_subscribe(flow.world->bus, subject_of(flow.world, "sig", "echo"), hear_echo, &flow, &echo),
        ERR_OK);
    assert_int_equal(pthread_create(&thread, NULL, keep_publishing, &flow), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct guest *guest = calloc(1, sizeof *guest);
        assert_non_null(guest);
        guest->flow = &flow;
        bus_unsubscribe(flow.world->bus, &ring[i % AT_ONCE], guest_released);
        snprintf(name, sizeof name, "flow.%u", i % FLOW_SUBJECTS);
        assert_int_equal(bus_subscribe(flow.world->bus, subject_of(flow.world, "sig", name), guest_receive,
                                       guest, &ring[i % AT_ONCE]),
                         ERR_OK);
        /* Neither side gets far ahead of the other. */
        assert_true(counter_reaches(&flow.received, PER_ROUND * i));
        if (i >= 4 * AT_ONCE)
            assert_true(counter_reaches(&flow.released, i - 4 * AT_ONCE));
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        bus_unsubscribe(flow.world->bus, &ring[i], guest_released);
    assert_true(counter_reaches(&flow.released, ROUNDS));
    atomic_store(&flow.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(counter_get(&flow.released), ROUNDS);
    bus_free(&flow.world->bus);
}

/* --- the end, and calls from callbacks --- */

void closing_ends_subscriptions_that_are_held(void **state)
{
    struct world *world = *state;
    struct bus_subscription *held[3];
    struct box box;

    box_init(&box);
    for (size_t i = 0; i < 3; i++)
        held[i] = box_subscribe(&box, world->bus, subject_of(world, "sig", "held"));
    bus_unsubscribe(world->bus, &held[1], box_released);
    bus_free(&world->bus);
    assert_int_equal(counter_get(&box.released), 1);
    box_fini(&box);
}

struct echo {
    struct world *world;
    struct counter heard, answered;
};

static void echo_last(void *context, const struct bus_last_result *result)
{
    if (result->status == BUS_LAST_NONE)
        counter_add(&((struct echo *)context)->answered, 1);
}

static void echo_receive(void *context, struct bus_message *message)
{
    struct echo *echo = context;
    size_t heard = counter_get(&echo->heard);

    if (heard < 100)
        (void)!bus_publish(echo->world->bus, subject_of(echo->world, "sig", "echo"), message->data);
    if (heard < 10)
        bus_last(echo->world->bus, subject_of(echo->world, "ev", "chat.echo"), 5000, echo_last, echo);
    bus_message_free(&message);
    counter_add(&echo->heard, 1);
}

void callbacks_may_call_the_bus(void **state)
{
    struct echo echo = {.world = *state, .heard = COUNTER_INIT, .answered = COUNTER_INIT};
    struct bus_subscription *subscription;

    assert_int_equal(bus_subscribe(echo.world->bus, subject_of(echo.world, "sig", "echo"), echo_receive,
                                   &echo, &subscription),
                     ERR_OK);
    publish(echo.world, subject_of(echo.world, "sig", "echo"), "hello");
    assert_true(counter_reaches(&echo.heard, 101));
    assert_true(counter_reaches(&echo.answered, 10));
    bus_free(&echo.world->bus);
}
