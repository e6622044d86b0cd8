#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>

#include "bus_contract.h"

/* Whoever is asked here: answers with what it was asked, keeps the question, or leaves it alone. */
struct service {
    struct world *world;
    enum { ECHO, ECHO_TWICE, KEEP } does;
    struct bus_subscription *subscription;
    struct counter asked, released;
    struct bus_message *kept;
};

static void service_receive(void *context, struct bus_message *message)
{
    struct service *service = context;

    if (!message->reply)
        abort();
    for (unsigned i = 0; i < (service->does == ECHO ? 1 : service->does == ECHO_TWICE ? 2 : 0); i++)
        (void)!bus_publish(service->world->bus, message->reply, message->data); /* it may be closed already */
    if (service->does == KEEP && !service->kept)
        service->kept = message;
    else
        bus_message_free(&message);
    counter_add(&service->asked, 1);
}

static void service_released(void *context)
{
    counter_add(&((struct service *)context)->released, 1);
}

static void service_start(struct service *service, struct world *world, int does)
{
    *service =
        (struct service){.world = world, .does = does, .asked = COUNTER_INIT, .released = COUNTER_INIT};
    assert_int_equal(bus_subscribe(world->bus, subject_of(world, "authz", "service"), service_receive,
                                   service, &service->subscription),
                     ERR_OK);
}

static void service_stop(struct service *service)
{
    bus_unsubscribe(service->world->bus, &service->subscription, service_released);
    assert_true(counter_reaches(&service->released, 1));
    bus_message_free(&service->kept);
}

struct question {
    struct counter answers;
    pthread_t caller;
    enum bus_answer_status status;
    char data[64];
    uint64_t took_ms, asked_ms;
};

static void on_answer(void *context, const struct bus_answer *answer)
{
    struct question *question = context;

    if (pthread_equal(question->caller, pthread_self()) || answer->data.len >= sizeof question->data ||
        (answer->status != BUS_ANSWER_GIVEN && !answer->problem))
        abort();
    question->status = answer->status;
    if (answer->data.len)
        memcpy(question->data, answer->data.data, answer->data.len);
    question->data[answer->data.len] = '\0';
    question->took_ms = clock_monotonic_ms() - question->asked_ms;
    counter_add(&question->answers, 1);
}

static void ask(struct question *question, struct world *world, const char *data, uint64_t timeout_ms)
{
    *question = (struct question){
        .answers = COUNTER_INIT, .caller = pthread_self(), .asked_ms = clock_monotonic_ms()};
    bus_ask(world->bus, subject_of(world, "authz", "service"), slice_of(data), timeout_ms, on_answer,
            question);
}

static void ask_now(struct question *question, struct world *world, const char *data, uint64_t timeout_ms)
{
    ask(question, world, data, timeout_ms);
    assert_true(counter_reaches(&question->answers, 1));
}

void a_question_gets_the_first_answer(void **state)
{
    struct service service;
    struct question question;

    service_start(&service, *state, ECHO_TWICE);
    ask_now(&question, *state, "may she?", 5000);
    assert_int_equal(question.status, BUS_ANSWER_GIVEN);
    assert_string_equal(question.data, "may she?");
    ask_now(&question, *state, "", 5000); /* behind the second answer to the first question */
    assert_int_equal(question.status, BUS_ANSWER_GIVEN);
    assert_string_equal(question.data, "");
    service_stop(&service);
}

static void note_reply(void *context, struct bus_message *message)
{
    struct counter *without = context;

    if (!message->reply)
        counter_add(without, 1);
    bus_message_free(&message);
}

void a_signal_asks_for_no_answer(void **state)
{
    struct world *world = *state;
    struct bus_subscription *subscription;
    const char *subject = subject_of(world, "sig", "plain");

    world->answers = (struct counter)COUNTER_INIT;
    assert_int_equal(bus_subscribe(world->bus, subject, note_reply, &world->answers, &subscription), ERR_OK);
    assert_int_equal(bus_publish(world->bus, subject, SLICE_LITERAL("x")), ERR_OK);
    assert_true(counter_reaches(&world->answers, 1));
    bus_unsubscribe(world->bus, &subscription, NULL);
}

void without_anybody_to_ask_the_answer_comes_at_once(void **state)
{
    struct question question;

    ask_now(&question, *state, "anybody?", WAIT_MS * 2);
    assert_int_equal(question.status, BUS_ANSWER_NOBODY);
}

void silence_ends_with_the_timeout(void **state)
{
    struct service service;
    struct question question;

    service_start(&service, *state, KEEP);
    ask_now(&question, *state, "silence", 100);
    assert_int_equal(question.status, BUS_ANSWER_NONE);
    assert_true(question.took_ms >= 100);
    assert_true(counter_reaches(&service.asked, 1));
    service_stop(&service);
}

void a_late_answer_goes_nowhere(void **state)
{
    struct world *world = *state;
    struct service service;
    struct question late, next;

    service_start(&service, world, KEEP);
    ask_now(&late, world, "late", 50);
    assert_true(counter_reaches(&service.asked, 1));
    assert_int_equal(bus_publish(world->bus, service.kept->reply, SLICE_LITERAL("too late")), ERR_OK);
    service_stop(&service);
    service_start(&service, world, ECHO);
    ask_now(&next, world, "next", 5000);
    assert_string_equal(next.data, "next");
    assert_int_equal(counter_get(&late.answers), 1);
    assert_int_equal(late.status, BUS_ANSWER_NONE);
    service_stop(&service);
}

void a_thousand_questions_at_once_get_their_own_answers(void **state)
{
    enum { MANY = 1000 };
    struct service service;
    struct question *questions = calloc(MANY, sizeof *questions);
    char text[16];

    assert_non_null(questions);
    service_start(&service, *state, ECHO);
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%u", i);
        ask(&questions[i], *state, text, WAIT_MS);
    }
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_true(counter_reaches(&questions[i].answers, 1));
        assert_int_equal(questions[i].status, BUS_ANSWER_GIVEN);
        assert_string_equal(questions[i].data, text);
    }
    service_stop(&service);
    free(questions);
}

void deadlines_of_questions_hold_in_any_order(void **state)
{
    static const uint64_t timeouts_ms[] = {180, 60, 2 * WAIT_MS, 120};
    struct world *world = *state;
    struct service service;
    struct question questions[4];

    service_start(&service, world, KEEP);
    for (size_t i = 0; i < 4; i++)
        ask(&questions[i], world, "when?", timeouts_ms[i]);
    for (size_t i = 0; i < 4; i++) {
        if (i == 2)
            continue;
        assert_true(counter_reaches(&questions[i].answers, 1));
        assert_int_equal(questions[i].status, BUS_ANSWER_NONE);
        assert_true(questions[i].took_ms >= timeouts_ms[i]);
    }
    assert_int_equal(counter_get(&questions[2].answers), 0);
    assert_true(counter_reaches(&service.asked, 4));
    service_stop(&service);
    bus_free(&world->bus);
    assert_int_equal(counter_get(&questions[2].answers), 1);
    assert_int_equal(questions[2].status, BUS_ANSWER_NONE);
}

void closing_answers_each_question_once(void **state)
{
    enum { MANY = 200 };
    struct world *world = *state;
    struct service service;
    struct question *questions = calloc(MANY, sizeof *questions);

    assert_non_null(questions);
    service_start(&service, world, ECHO);
    for (unsigned i = 0; i < MANY; i++)
        ask(&questions[i], world, "x", WAIT_MS);
    bus_free(&world->bus);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(counter_get(&questions[i].answers), 1);
    free(questions);
}
