/* What the hub asks a service before it lets somebody into a chat. */
#include "hub_fixture.h"

#define CLAIMS "{\"sub\":\"somebody\"}"

/* The service; its fields change under `lock`. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum { ALLOW, DENY, GARBAGE, KEEP } does;
    struct bus_subscription *subscription;
    unsigned asked;
    char last[512];
    struct bus_message *kept[1200];
    unsigned kept_count;
} service = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void answer(struct bus_message *message, const char *text)
{
    assert_non_null(message->reply);
    assert_int_equal(bus_publish(world.bus, message->reply, slice_of(text)), ERR_OK);
    bus_message_free(&message);
}

static void on_question(void *context, struct bus_message *message)
{
    (void)context;
    pthread_mutex_lock(&service.lock);
    service.asked++;
    snprintf(service.last, sizeof service.last, "%.*s", (int)message->data.len, message->data.data);
    if (service.does == KEEP)
        service.kept[service.kept_count++] = message;
    else
        answer(message, service.does == ALLOW  ? "{\"allowed\":true}"
                        : service.does == DENY ? "{\"allowed\":false}"
                                               : "yes");
    pthread_cond_broadcast(&service.changed);
    pthread_mutex_unlock(&service.lock);
}

static void open_service(int does)
{
    service.does = does;
    service.asked = service.kept_count = 0;
    assert_int_equal(
        bus_subscribe(world.bus, "test.authz.subscribe", on_question, NULL, &service.subscription), ERR_OK);
}

static void service_does(int does)
{
    pthread_mutex_lock(&service.lock);
    service.does = does;
    pthread_mutex_unlock(&service.lock);
}

static unsigned asked(void)
{
    pthread_mutex_lock(&service.lock);
    unsigned count = service.asked;
    pthread_mutex_unlock(&service.lock);
    return count;
}

static void await_questions(unsigned count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&service.lock);
    while (service.asked < count)
        assert_int_equal(pthread_cond_timedwait(&service.changed, &service.lock, &until), 0);
    pthread_mutex_unlock(&service.lock);
}

/* Answers what was kept, from the `first` on. */
static void answer_kept(unsigned first, const char *text)
{
    pthread_mutex_lock(&service.lock);
    for (unsigned i = first; i < service.kept_count; i++) {
        answer(service.kept[i], text);
        service.kept[i] = NULL;
    }
    pthread_mutex_unlock(&service.lock);
}

static void ask_with_claims(enum hub_request_kind kind, unsigned room, const char *name)
{
    struct room_key room_key = chat(room), user_key = user(name);
    struct hub_request *request = hub_request_new(kind, 0, &room_key, &user_key);
    assert_non_null(request);
    request->claims = shared_text_new(SLICE_LITERAL(CLAIMS));
    hub_ask(world.hub, request);
}

/* `count` users, each into the same chat. */
static void ask_for_many(unsigned count)
{
    char name[16];
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "user-%u", i);
        ask_with_claims(HUB_JOIN, 1, name);
    }
}

static enum err next_status(void)
{
    struct hub_request *request = next_answer(0);
    enum err status = request->status;
    hub_request_free(&request);
    return status;
}

static enum err try_join(unsigned room, const char *name)
{
    ask_with_claims(HUB_JOIN, room, name);
    return next_status();
}

/* A busy machine keeps neither the service nor a join from its answer. */
static void by_request(struct config *config)
{
    config->authorization_mode = AUTHORIZATION_REQUEST;
    config->authorization_cache_s = 60;
    config->authorization_timeout_ms = 20000;
    config->rooms_join_timeout_ms = 20000;
}

static void by_hasty_request(struct config *config)
{
    by_request(config);
    config->authorization_timeout_ms = 200;
}

static void by_request_in_short_time(struct config *config)
{
    by_request(config);
    config->rooms_join_timeout_ms = 100;
}

static int setup(void **state)
{
    (void)state;
    return start_with(by_request);
}

static int setup_hasty(void **state)
{
    (void)state;
    return start_with(by_hasty_request);
}

static int setup_short(void **state)
{
    (void)state;
    return start_with(by_request_in_short_time);
}

/* Nobody may receive any more. */
static void free_kept(void)
{
    for (unsigned i = 0; i < service.kept_count; i++)
        bus_message_free(&service.kept[i]);
    service.kept_count = 0;
}

static int teardown(void **state)
{
    stop(state);
    free_kept();
    return 0;
}

/* --- the answers --- */

static void who_may_read_joins_and_who_may_not_is_told(void **state)
{
    (void)state;
    open_service(ALLOW);
    assert_int_equal(try_join(1, "anna"), ERR_OK);
    assert_string_equal(service.last, "{\"user_id\":\"anna\",\"chat_id\":\"00000000-0000-0000-0000-"
                                      "000000000001\",\"claims\":" CLAIMS "}");
    publish(1, 1);
    expect_event(0, 1, true);
    service_does(DENY);
    int64_t rooms = metrics_get(METRIC_ROOMS);
    assert_int_equal(try_join(2, "anna"), ERR_FORBIDDEN);
    assert_int_equal(metrics_get(METRIC_ROOMS), rooms); /* it was not even followed */
}

static void a_denial_is_kept_like_a_permission(void **state)
{
    (void)state;
    open_service(ALLOW);
    int64_t cached = metrics_get(METRIC_AUTHORIZATIONS_CACHED);
    assert_int_equal(try_join(1, "anna"), ERR_OK);
    service_does(DENY);
    assert_int_equal(try_join(2, "anna"), ERR_FORBIDDEN);
    assert_int_equal(try_join(1, "anna"), ERR_OK);
    service_does(ALLOW);
    assert_int_equal(try_join(2, "anna"), ERR_FORBIDDEN);
    assert_int_equal(asked(), 2);
    assert_int_equal(metrics_get(METRIC_AUTHORIZATIONS_CACHED), cached + 2);
}

static void an_answer_may_say_that_it_is_not_to_be_kept(void **state)
{
    (void)state;
    open_service(KEEP);
    for (unsigned i = 0; i < 2; i++) {
        ask_with_claims(HUB_JOIN, 1, "anna");
        await_questions(i + 1);
        answer_kept(i, "{\"allowed\":false,\"cache_s\":0}");
        assert_int_equal(next_status(), ERR_FORBIDDEN);
    }
}

static void a_users_own_channel_needs_nobodys_permission(void **state)
{
    (void)state;
    open_service(DENY);
    struct room_key anna = user("anna");
    struct hub_request *request = hub_request_new(HUB_JOIN, 0, &anna, &anna);
    assert_non_null(request);
    hub_ask(world.hub, request);
    assert_int_equal(next_status(), ERR_OK);
    assert_int_equal(asked(), 0);
}

/* --- no answer --- */

static void without_a_service_nobody_is_let_in_and_nothing_is_kept(void **state)
{
    (void)state;
    int64_t unavailable = metrics_get(METRIC_AUTHORIZATIONS_UNAVAILABLE);
    assert_int_equal(try_join(1, "anna"), ERR_UNAVAILABLE);
    assert_int_equal(metrics_get(METRIC_AUTHORIZATIONS_UNAVAILABLE), unavailable + 1);
    open_service(ALLOW);
    assert_int_equal(try_join(1, "anna"), ERR_OK);
}

static void silence_is_no_answer_and_is_not_kept(void **state)
{
    (void)state;
    open_service(KEEP);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(try_join(1, "anna"), ERR_UNAVAILABLE);
        assert_int_equal(asked(), i + 1);
    }
}

static void garbage_is_no_answer_and_is_not_kept(void **state)
{
    (void)state;
    int64_t bad = metrics_get(METRIC_AUTHORIZATIONS_BAD);
    open_service(GARBAGE);
    assert_int_equal(try_join(1, "anna"), ERR_UNAVAILABLE);
    assert_int_equal(metrics_get(METRIC_AUTHORIZATIONS_BAD), bad + 1);
    service_does(ALLOW);
    assert_int_equal(try_join(1, "anna"), ERR_OK);
}

/* --- many at once --- */

/* The hub takes requests in order: when this one is answered it has seen all before, and is done with the
 * answers that came before. */
static void let_the_hub_catch_up(void)
{
    struct room_key anna = user("anna");
    hub_ask(world.hub, hub_request_new(HUB_JOIN, 0, &anna, &anna));
    assert_int_equal(next_status(), ERR_OK);
}

static void a_thousand_joins_of_one_pair_ask_once(void **state)
{
    (void)state;
    open_service(KEEP);
    for (unsigned i = 0; i < 1000; i++)
        ask_with_claims(HUB_JOIN, 1, "anna");
    await_questions(1);
    answer_kept(0, "{\"allowed\":true}");
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(next_status(), ERR_OK);
    assert_int_equal(asked(), 1);
}

static void no_more_than_256_are_asked_at_once(void **state)
{
    (void)state;
    enum { MANY = 1000, AT_ONCE = 256 };
    open_service(KEEP);
    ask_for_many(MANY);
    let_the_hub_catch_up();
    await_questions(AT_ONCE);
    assert_int_equal(asked(), AT_ONCE);
    assert_int_equal(metrics_get(METRIC_AUTHORIZATIONS_WAITING), MANY);
    for (unsigned done = 0; done < MANY;) {
        unsigned all = done + AT_ONCE < MANY ? done + AT_ONCE : MANY;
        await_questions(all);
        assert_int_equal(asked(), all);
        answer_kept(done, "{\"allowed\":false}");
        for (; done < all; done++)
            assert_int_equal(next_status(), ERR_FORBIDDEN);
    }
    let_the_hub_catch_up();
    assert_int_equal(metrics_get(METRIC_AUTHORIZATIONS_WAITING), 0);
}

static void one_user_has_no_more_than_32_of_them(void **state)
{
    (void)state;
    open_service(KEEP);
    for (unsigned room = 1; room <= 100; room++)
        ask_with_claims(HUB_JOIN, room, "anna");
    ask_with_claims(HUB_JOIN, 1, "bert"); /* the last to come is not the last to be asked for */
    await_questions(33);
    assert_int_equal(asked(), 33);
    assert_non_null(strstr(service.last, "\"bert\""));
    answer_kept(0, "{\"allowed\":false}");
    for (unsigned i = 0; i < 33; i++)
        assert_int_equal(next_status(), ERR_FORBIDDEN);
    await_questions(33 + 32);
    assert_int_equal(asked(), 33 + 32);
}

static void who_waits_longer_than_a_join_may_is_refused(void **state)
{
    (void)state;
    int64_t overloaded = metrics_get(METRIC_AUTHORIZATIONS_OVERLOADED);
    open_service(KEEP);
    ask_with_claims(HUB_JOIN, 1, "anna");
    assert_int_equal(next_status(), ERR_TIMEOUT); /* rooms.join_timeout_ms */
    assert_int_equal(metrics_get(METRIC_AUTHORIZATIONS_OVERLOADED), overloaded + 1);
}

static void the_end_answers_who_still_waits(void **state)
{
    (void)state;
    open_service(KEEP);
    ask_for_many(300); /* some asked, some not */
    await_questions(256);
    hub_stop(world.hub);
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(next_status(), ERR_TIMEOUT);
    bus_free(&world.bus); /* answers what is open, to a hub that is closed */
    hub_free(&world.hub);
}

/* --- fresh claims --- */

static void with_fresh_claims_the_service_is_asked_anew(void **state)
{
    (void)state;
    open_service(ALLOW);
    assert_int_equal(try_join(1, "anna"), ERR_OK);
    assert_int_equal(try_join(1, "bert"), ERR_OK);
    service_does(DENY);
    ask(HUB_NEW_CLAIMS, 0, 1, "anna", false);
    ask_with_claims(HUB_MAY_READ, 1, "anna");
    assert_int_equal(next_status(), ERR_FORBIDDEN);
    ask_with_claims(HUB_MAY_READ, 1, "bert");
    assert_int_equal(next_status(), ERR_OK);
    assert_int_equal(asked(), 3);
}

/* The test has stopped everything itself. */
static int teardown_stopped(void **state)
{
    (void)state;
    free_kept();
    free_workers();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_may_read_joins_and_who_may_not_is_told),
        TEST(a_denial_is_kept_like_a_permission),
        TEST(an_answer_may_say_that_it_is_not_to_be_kept),
        TEST(a_users_own_channel_needs_nobodys_permission),
        TEST(without_a_service_nobody_is_let_in_and_nothing_is_kept),
        cmocka_unit_test_setup_teardown(silence_is_no_answer_and_is_not_kept, setup_hasty, teardown),
        TEST(garbage_is_no_answer_and_is_not_kept),
        TEST(a_thousand_joins_of_one_pair_ask_once),
        TEST(no_more_than_256_are_asked_at_once),
        TEST(one_user_has_no_more_than_32_of_them),
        cmocka_unit_test_setup_teardown(who_waits_longer_than_a_join_may_is_refused, setup_short, teardown),
        TEST(with_fresh_claims_the_service_is_asked_anew),
        cmocka_unit_test_setup_teardown(the_end_answers_who_still_waits, setup, teardown_stopped),
    };
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
