/* The hub over the in-process bus, with this test in the place of two workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/subject.h>

#include "hub.h"

#define WORKERS 2

struct fake_worker {
    struct inbox inbox;
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct hub_output *first; /* taken and not looked at yet */
};

static struct {
    struct config config;
    struct bus *bus;
    struct hub *hub;
    atomic_uint bus_changes;
    struct fake_worker workers[WORKERS];
    uint64_t last_seq[256]; /* stream sequence of each test room's last event */
} world;

static void on_wake(void *context)
{
    struct fake_worker *worker = context;
    pthread_mutex_lock(&worker->lock);
    pthread_cond_signal(&worker->came);
    pthread_mutex_unlock(&worker->lock);
}

static void on_bus_event(void *context, enum bus_event event)
{
    (void)context;
    (void)event;
}

static int start(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.config = (struct config){.nats_prefix = (char *)"test",
                                   .node_name = (char *)"node-a",
                                   .rooms_linger_ms = 60,
                                   .rooms_join_timeout_ms = 3000,
                                   .presence_max_members = 100,
                                   .limits_typing_ms = 60000,
                                   .rooms_verify_s = 30,
                                   .rooms_repair_s = 30,
                                   .resume_max_events = 1000,
                                   .resume_max_bytes = 1024 * 1024,
                                   .resume_cache_bytes = 4 * 1024 * 1024};
    struct bus_memory_options bus_options = {.prefix = "test", .max_bytes = 1024 * 1024};
    struct bus_callbacks callbacks = {.on_event = on_bus_event};
    struct inbox *inboxes[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        struct fake_worker *worker = &world.workers[i];
        pthread_mutex_init(&worker->lock, NULL);
        pthread_cond_init(&worker->came, NULL);
        inbox_init(&worker->inbox, on_wake, worker);
        inboxes[i] = &worker->inbox;
    }
    if (bus_memory_new(&bus_options, &callbacks, &world.bus) != ERR_OK)
        return 1;
    struct hub_options options = {.config = &world.config,
                                  .bus = world.bus,
                                  .bus_changes = &world.bus_changes,
                                  .workers = inboxes,
                                  .workers_count = WORKERS};
    return hub_start(&options, &world.hub) == ERR_OK ? 0 : 1;
}

static void free_output(struct hub_output *output)
{
    if (output->kind == HUB_OUTPUT_ANSWER) {
        struct hub_request *request = (struct hub_request *)output;
        hub_request_free(&request);
    } else {
        struct hub_frame *frame = (struct hub_frame *)output;
        frame_unref(&frame->frame);
        free(frame);
    }
}

static int stop(void **state)
{
    (void)state;
    hub_stop(world.hub);
    bus_free(&world.bus);
    hub_free(&world.hub);
    for (int i = 0; i < WORKERS; i++) {
        struct inbox_item *lists[2] = {world.workers[i].first ? &world.workers[i].first->item : NULL,
                                       inbox_take(&world.workers[i].inbox)};
        for (int l = 0; l < 2; l++) {
            while (lists[l]) {
                struct inbox_item *next = lists[l]->next;
                free_output((struct hub_output *)lists[l]);
                lists[l] = next;
            }
        }
        inbox_fini(&world.workers[i].inbox);
    }
    return 0;
}

/* The worker's next output, or NULL when none comes in `timeout_ms`. */
static struct hub_output *next_output(unsigned index, unsigned timeout_ms)
{
    struct fake_worker *worker = &world.workers[index];
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += (timeout_ms % 1000) * 1000000L;
    if (deadline.tv_nsec >= 1000000000L) {
        deadline.tv_sec++;
        deadline.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&worker->lock);
    int waited = 0;
    while (!worker->first && !(worker->first = (struct hub_output *)inbox_take(&worker->inbox)) &&
           waited == 0)
        waited = pthread_cond_timedwait(&worker->came, &worker->lock, &deadline);
    pthread_mutex_unlock(&worker->lock);
    struct hub_output *output = worker->first;
    if (output)
        worker->first = (struct hub_output *)output->item.next;
    return output;
}

static struct room_key chat(unsigned number)
{
    struct room_key key;
    struct uuid uuid = {{0}};
    uuid.bytes[15] = (unsigned char)number;
    room_key_for_chat(&uuid, &key);
    return key;
}

static struct room_key user(const char *name)
{
    struct room_key key;
    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static void ask(enum hub_request_kind kind, unsigned worker, unsigned room, const char *name, bool flag)
{
    struct room_key room_key = chat(room), user_key = user(name);
    struct hub_request *request = hub_request_new(kind, worker, &room_key, &user_key);
    assert_non_null(request);
    request->flag = flag;
    hub_ask(world.hub, request);
}

/* Presence frames that come before it are skipped. */
static struct hub_request *next_answer(unsigned worker)
{
    for (;;) {
        struct hub_output *output = next_output(worker, 5000);
        assert_non_null(output);
        if (output->kind == HUB_OUTPUT_ANSWER)
            return (struct hub_request *)output;
        assert_int_equal(((struct hub_frame *)output)->what, HUB_SIGNAL);
        free_output(output);
    }
}

/* Joins and returns the answered position. */
static struct position join(unsigned worker, unsigned room, const char *name)
{
    ask(HUB_JOIN, worker, room, name, false);
    struct hub_request *answer = next_answer(worker);
    assert_int_equal(answer->status, ERR_OK);
    struct position position = answer->position;
    hub_request_free(&answer);
    return position;
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
    uint64_t stream_seq;
} stored = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static void on_stored(void *context, const struct bus_store_result *result)
{
    (void)context;
    assert_int_equal(result->status, BUS_STORED);
    pthread_mutex_lock(&stored.lock);
    stored.is_done = true;
    stored.stream_seq = result->stream_seq;
    pthread_cond_signal(&stored.done);
    pthread_mutex_unlock(&stored.lock);
}

static void publish(unsigned room, uint64_t seq)
{
    char id[32], subject[SUBJECT_SIZE];
    snprintf(id, sizeof id, "%u-%llu", room, (unsigned long long)seq);
    struct envelope envelope = {.room = chat(room),
                                .position = {.epoch = "e1", .seq = seq},
                                .event_id = slice_of(id),
                                .client_type = SLICE_LITERAL("chat.message.posted"),
                                .event_type = SLICE_LITERAL("message.created"),
                                .payload = SLICE_LITERAL("{\"n\":1}")};
    struct buffer bytes;
    buffer_init(&bytes, 4096);
    assert_int_equal(envelope_encode(&envelope, &bytes), ERR_OK);
    subject_format("test", SUBJECT_EVENT, &envelope.room, subject);
    struct bus_store_request request = {.subject = subject,
                                        .message_id = id,
                                        .expect_last = world.last_seq[room],
                                        .data = buffer_slice(&bytes),
                                        .timeout_ms = 1000};
    stored.is_done = false;
    bus_store(world.bus, &request, on_stored, NULL);
    pthread_mutex_lock(&stored.lock);
    while (!stored.is_done)
        pthread_cond_wait(&stored.done, &stored.lock);
    pthread_mutex_unlock(&stored.lock);
    world.last_seq[room] = stored.stream_seq;
    buffer_fini(&bytes);
}

/* The next frame for the worker whose text holds `text`; others are skipped. */
static void expect_frame(unsigned worker, const char *text)
{
    for (;;) {
        struct hub_output *output = next_output(worker, 5000);
        assert_non_null(output);
        bool found = false;
        if (output->kind == HUB_OUTPUT_FRAME) {
            struct slice payload = frame_payload(((struct hub_frame *)output)->frame);
            found = memmem(payload.data, payload.len, text, strlen(text)) != NULL;
        }
        free_output(output);
        if (found)
            return;
    }
}

static void an_empty_room_answers_with_the_empty_position(void **state)
{
    (void)state;
    struct position position = join(0, 1, "anna");
    assert_string_equal(position.epoch, EPOCH_EMPTY);
    assert_int_equal(position.seq, 0);
}

static void a_room_with_history_answers_with_its_last_position(void **state)
{
    (void)state;
    publish(2, 1);
    publish(2, 2);
    struct position position = join(0, 2, "anna");
    assert_string_equal(position.epoch, "e1");
    assert_int_equal(position.seq, 2);
}

static void an_event_goes_to_every_worker_with_members_and_to_no_other(void **state)
{
    (void)state;
    join(0, 3, "anna");
    publish(3, 1);
    expect_frame(0, "\"seq\":1,");
    join(1, 3, "bert");
    publish(3, 2);
    expect_frame(0, "\"seq\":2,");
    expect_frame(1, "\"seq\":2,");
}

static void an_answer_comes_before_the_events_after_it(void **state)
{
    (void)state;
    join(0, 4, "anna");
    for (uint64_t seq = 1; seq <= 50; seq++) {
        publish(4, seq);
        ask(HUB_POSITION, 0, 4, "anna", false);
    }
    uint64_t answers = 0, frames = 0;
    while (answers < 50) {
        struct hub_output *output = next_output(0, 5000);
        assert_non_null(output);
        if (output->kind == HUB_OUTPUT_FRAME) {
            frames += ((struct hub_frame *)output)->what == HUB_EVENT;
        } else {
            answers++;
            assert_int_equal(((struct hub_request *)output)->position.seq, frames);
        }
        free_output(output);
    }
}

static void a_room_is_left_after_the_linger_and_followed_anew(void **state)
{
    (void)state;
    join(0, 5, "anna");
    assert_int_equal(metrics_get(METRIC_ROOMS), 1);
    ask(HUB_PART, 0, 5, "anna", false);
    uint64_t deadline_ms = clock_monotonic_ms() + 5000;
    while (metrics_get(METRIC_ROOMS) != 0 && clock_monotonic_ms() < deadline_ms)
        sched_yield();
    assert_int_equal(metrics_get(METRIC_ROOMS), 0);
    publish(5, 1);
    struct position position = join(0, 5, "anna");
    assert_int_equal(position.seq, 1);
}

static void typing_reaches_the_room_but_not_its_sender_and_is_limited(void **state)
{
    (void)state;
    join(0, 6, "anna");
    int64_t limited = metrics_get(METRIC_TYPING_LIMITED);
    ask(HUB_TYPING, 0, 6, "anna", true);
    for (;;) {
        struct hub_output *output = next_output(0, 5000);
        assert_non_null(output);
        struct hub_frame *frame = (struct hub_frame *)output;
        struct slice payload = frame_payload(frame->frame);
        if (memmem(payload.data, payload.len, "chat.typing", 11)) {
            struct room_key anna = user("anna");
            assert_true(frame->but_not_sender && room_key_equal(&frame->sender, &anna));
            assert_int_equal(frame->what, HUB_SIGNAL);
            free_output(output);
            break;
        }
        free_output(output);
    }
    ask(HUB_TYPING, 0, 6, "anna", true);
    ask(HUB_POSITION, 0, 6, "anna", false); /* after it, the typing was looked at */
    struct hub_request *answer = next_answer(0);
    hub_request_free(&answer);
    assert_int_equal(metrics_get(METRIC_TYPING_LIMITED), limited + 1);
}

static void presence_lists_who_joined(void **state)
{
    (void)state;
    join(0, 7, "anna");
    ask(HUB_JOIN, 1, 7, "bert", false);
    expect_frame(0, "\"is_online\":true");
    ask(HUB_PRESENCE, 0, 7, "anna", false);
    struct hub_request *answer = next_answer(0);
    assert_int_equal(answer->status, ERR_OK);
    assert_non_null(strstr(answer->text, "\"anna\""));
    assert_non_null(strstr(answer->text, "\"bert\""));
    assert_non_null(strstr(answer->text, "\"count\":2"));
    hub_request_free(&answer);
    ask(HUB_PART, 1, 7, "bert", false);
    expect_frame(0, "\"is_online\":false");
}

static struct hub_request *resume(enum hub_request_kind kind, unsigned worker, unsigned room, uint64_t since)
{
    struct room_key room_key = chat(room), user_key = user("anna");
    struct hub_request *request = hub_request_new(kind, worker, &room_key, &user_key);
    assert_non_null(request);
    request->waiter.has_since = true;
    request->waiter.since = (struct position){.epoch = "e1", .seq = since};
    hub_ask(world.hub, request);
    struct hub_request *answer = next_answer(worker);
    assert_int_equal(answer->status, ERR_OK);
    return answer;
}

static void a_resume_is_answered_with_what_was_missed(void **state)
{
    (void)state;
    for (uint64_t seq = 1; seq <= 40; seq++)
        publish(11, seq);
    struct hub_request *first = resume(HUB_JOIN, 0, 11, 5), *second = resume(HUB_JOIN, 0, 11, 38);
    assert_true(first->is_recovered && first->is_all && second->is_recovered && second->is_all);
    assert_int_equal(first->position.seq, 40);
    assert_int_equal(first->replay->count - first->replay_at, 35);
    for (uint32_t i = 0; i < 35; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "\"seq\":%u,", 6 + i);
        struct slice payload = frame_payload(first->replay->frames[first->replay_at + i]);
        assert_non_null(memmem(payload.data, payload.len, wanted, strlen(wanted)));
    }
    assert_ptr_equal(second->replay, first->replay); /* made once, shared */
    assert_int_equal(second->replay->count - second->replay_at, 2);
    hub_request_free(&first);
    hub_request_free(&second);
    struct hub_request *at_end = resume(HUB_POSITION, 0, 11, 40);
    assert_true(at_end->is_recovered);
    assert_null(at_end->replay);
    hub_request_free(&at_end);
}

static void what_cannot_be_proven_is_answered_with_the_position_alone(void **state)
{
    (void)state;
    publish(12, 1);
    publish(12, 2);
    join(0, 12, "anna");
    struct hub_request *future = resume(HUB_POSITION, 0, 12, 9);
    assert_false(future->is_recovered);
    assert_null(future->replay);
    assert_int_equal(future->position.seq, 2);
    hub_request_free(&future);
}

static void one_that_fell_behind_gets_pages(void **state)
{
    (void)state;
    join(0, 13, "anna");
    for (uint64_t seq = 1; seq <= 300; seq++)
        publish(13, seq);
    expect_frame(0, "\"seq\":300,");
    struct hub_request *page = resume(HUB_CATCH_UP, 0, 13, 10);
    assert_true(page->is_recovered);
    assert_false(page->is_all);
    assert_int_equal(page->replay->first.seq + page->replay_at, 11);
    uint32_t got = page->replay->count - page->replay_at;
    assert_true(got > 0 && got < 290);
    hub_request_free(&page);
    page = resume(HUB_CATCH_UP, 0, 13, 10 + got);
    assert_true(page->is_recovered && page->is_all);
    assert_int_equal(page->replay->count - page->replay_at, 290 - got);
    hub_request_free(&page);
}

static void a_loss_is_told_to_the_room_in_its_place(void **state)
{
    (void)state;
    join(0, 14, "anna");
    publish(14, 1);
    expect_frame(0, "\"seq\":1,");
    int64_t expired = metrics_get(METRIC_LOST_EXPIRED);
    publish(14, 3);
    for (;;) {
        struct hub_output *output = next_output(0, 5000);
        assert_non_null(output);
        assert_int_equal(output->kind, HUB_OUTPUT_FRAME);
        struct hub_frame *frame = (struct hub_frame *)output;
        bool is_loss = frame->what == HUB_LOSS;
        assert_true(is_loss || frame->what == HUB_SIGNAL);
        if (is_loss) {
            struct slice payload = frame_payload(frame->frame);
            assert_non_null(memmem(payload.data, payload.len, "\"POSITION_LOST\"", 15));
            assert_non_null(memmem(payload.data, payload.len, "\"seq\":2}", 8));
            assert_int_equal(frame->position.seq, 2);
        }
        free_output(output);
        if (is_loss)
            break;
    }
    expect_frame(0, "\"seq\":3,");
    assert_int_equal(metrics_get(METRIC_LOST_EXPIRED), expired + 1);
}

static void a_gap_that_the_stream_cannot_fill_is_counted_and_passed_over(void **state)
{
    (void)state;
    join(0, 9, "anna");
    publish(9, 1);
    expect_frame(0, "\"seq\":1,");
    int64_t lost = metrics_get(METRIC_GAPS_LOST);
    publish(9, 3);
    publish(9, 4);
    expect_frame(0, "\"seq\":3,");
    expect_frame(0, "\"seq\":4,");
    assert_int_equal(metrics_get(METRIC_GAPS_LOST), lost + 1);
}

static void trouble_on_the_bus_makes_rooms_ask_anew_and_lose_nothing(void **state)
{
    (void)state;
    join(0, 10, "anna");
    publish(10, 1);
    atomic_fetch_add(&world.bus_changes, 1);
    publish(10, 2);
    expect_frame(0, "\"seq\":1,");
    expect_frame(0, "\"seq\":2,");
    ask(HUB_POSITION, 0, 10, "anna", false);
    struct hub_request *answer = next_answer(0);
    assert_int_equal(answer->position.seq, 2);
    hub_request_free(&answer);
}

static void garbage_on_the_bus_is_counted_and_harms_nobody(void **state)
{
    (void)state;
    join(0, 8, "anna");
    int64_t bad = metrics_get(METRIC_ENVELOPES_BAD);
    struct room_key room = chat(8);
    char subject[SUBJECT_SIZE];
    subject_format("test", SUBJECT_LIVE, &room, subject);
    assert_int_equal(bus_publish(world.bus, subject, SLICE_LITERAL("\xff\xff garbage")), ERR_OK);
    subject_format("test", SUBJECT_SIGNAL, &room, subject);
    assert_int_equal(bus_publish(world.bus, subject, SLICE_LITERAL("\xff\xff garbage")), ERR_OK);
    publish(8, 1);
    expect_frame(0, "\"seq\":1,");
    assert_int_equal(metrics_get(METRIC_ENVELOPES_BAD), bad + 2);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_room_answers_with_the_empty_position, start, stop),
        cmocka_unit_test_setup_teardown(a_room_with_history_answers_with_its_last_position, start, stop),
        cmocka_unit_test_setup_teardown(an_event_goes_to_every_worker_with_members_and_to_no_other, start,
                                        stop),
        cmocka_unit_test_setup_teardown(an_answer_comes_before_the_events_after_it, start, stop),
        cmocka_unit_test_setup_teardown(a_room_is_left_after_the_linger_and_followed_anew, start, stop),
        cmocka_unit_test_setup_teardown(typing_reaches_the_room_but_not_its_sender_and_is_limited, start,
                                        stop),
        cmocka_unit_test_setup_teardown(presence_lists_who_joined, start, stop),
        cmocka_unit_test_setup_teardown(a_gap_that_the_stream_cannot_fill_is_counted_and_passed_over, start,
                                        stop),
        cmocka_unit_test_setup_teardown(trouble_on_the_bus_makes_rooms_ask_anew_and_lose_nothing, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_resume_is_answered_with_what_was_missed, start, stop),
        cmocka_unit_test_setup_teardown(what_cannot_be_proven_is_answered_with_the_position_alone, start,
                                        stop),
        cmocka_unit_test_setup_teardown(one_that_fell_behind_gets_pages, start, stop),
        cmocka_unit_test_setup_teardown(a_loss_is_told_to_the_room_in_its_place, start, stop),
        cmocka_unit_test_setup_teardown(garbage_on_the_bus_is_counted_and_harms_nobody, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
