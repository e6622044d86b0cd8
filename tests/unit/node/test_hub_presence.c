/* Presence between nodes: the test speaks as the others, and listens to what the hub says. */
#include "hub_fixture.h"

#include <roomcast/wire/presence_digest.h>
#include <roomcast/wire/signal.h>

#define B       SLICE_LITERAL("node-b.00000000")
#define C       SLICE_LITERAL("node-c.00000000")
#define WAIT_MS SOON_MS
#define HEARD   4096

/* What the hub has said, in the order in which it came. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct heard {
        enum signal_kind kind;
        bool on, wants_answer;
        uint64_t previous, version, at_ms;
        size_t users_count, leaving_count;
        uint32_t page, pages;
        char user[64], to[64];
    } said[HEARD];
    size_t count, next; /* `next`: not looked at yet */
} ears = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};

static void note(const struct signal_message *signal)
{
    pthread_mutex_lock(&ears.lock);
    assert_true(ears.count < HEARD);
    struct heard *heard = &ears.said[ears.count++];
    *heard = (struct heard){.kind = signal->kind,
                            .on = signal->on,
                            .wants_answer = signal->wants_answer,
                            .previous = signal->previous,
                            .version = signal->version,
                            .at_ms = clock_monotonic_ms(),
                            .users_count = signal->users_count,
                            .leaving_count = signal->leaving_count,
                            .page = signal->page,
                            .pages = signal->pages};
    snprintf(heard->user, sizeof heard->user, "%.*s", (int)signal->user.len, signal->user.data);
    snprintf(heard->to, sizeof heard->to, "%.*s", (int)signal->to.len, signal->to.data);
    pthread_cond_signal(&ears.came);
    pthread_mutex_unlock(&ears.lock);
}

static void on_signal(void *context, struct bus_message *message)
{
    (void)context;
    struct signal_owned owned;
    struct room_key room;
    enum subject_kind kind;
    if (subject_parse("test", message->subject, &kind, &room) == ERR_OK &&
        signal_decode(message->data, &room, &owned) == ERR_OK) {
        bool is_the_hub = owned.signal.node.len > 7 && memcmp(owned.signal.node.data, "node-a.", 7) == 0;
        if (is_the_hub)
            note(&owned.signal);
        signal_release(&owned);
    }
    bus_message_free(&message);
}

static struct bus_subscription *listen_to(const struct room_key *room)
{
    struct bus_subscription *subscription;
    char subject[SUBJECT_SIZE];
    subject_format("test", SUBJECT_SIGNAL, room, subject);
    assert_int_equal(bus_subscribe(world.bus, subject, on_signal, NULL, &subscription), ERR_OK);
    return subscription;
}

static struct heard next_said(void)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&ears.lock);
    int waited = 0;
    while (ears.next == ears.count && waited == 0)
        waited = pthread_cond_timedwait(&ears.came, &ears.lock, &deadline);
    assert_int_equal(waited, 0);
    struct heard heard = ears.said[ears.next++];
    pthread_mutex_unlock(&ears.lock);
    return heard;
}

static struct heard expect_said(enum signal_kind kind)
{
    struct heard heard = next_said();
    while (heard.kind != kind)
        heard = next_said();
    return heard;
}

static void say(struct slice node, unsigned room, struct signal_message signal)
{
    char subject[SUBJECT_SIZE];
    struct buffer bytes;
    signal.room = chat(room);
    signal.node = node;
    buffer_init(&bytes, SIGNAL_MAX_BYTES);
    assert_int_equal(signal_encode(&signal, &bytes), ERR_OK);
    subject_format("test", SUBJECT_SIGNAL, &signal.room, subject);
    assert_int_equal(bus_publish(world.bus, subject, buffer_slice(&bytes)), ERR_OK);
    buffer_fini(&bytes);
}

static void say_change(struct slice node, unsigned room, const char *name, bool online, uint64_t previous,
                       uint64_t version)
{
    say(node, room,
        (struct signal_message){.kind = SIGNAL_PRESENCE_CHANGE,
                                .user = slice_of(name),
                                .on = online,
                                .previous = previous,
                                .version = version});
}

static void say_digest(uint64_t counter, unsigned room, uint64_t version)
{
    char subject[SUBJECT_SIZE];
    struct buffer bytes;
    struct presence_digest_room named = {.version = version};
    named.chat.bytes[15] = (unsigned char)room;
    struct presence_digest digest = {.node = B,
                                     .counter = counter,
                                     .buckets = PRESENCE_BUCKETS,
                                     .rooms = &named,
                                     .rooms_count = version != 0};
    buffer_init(&bytes, PRESENCE_DIGEST_MAX_BYTES);
    assert_int_equal(presence_digest_encode(&digest, &bytes), ERR_OK);
    subject_format_presence("test", subject);
    assert_int_equal(bus_publish(world.bus, subject, buffer_slice(&bytes)), ERR_OK);
    buffer_fini(&bytes);
}

/* The next presence.changed for the worker. */
static void expect_told(unsigned worker, const char *name, bool online)
{
    char text[128];
    snprintf(text, sizeof text, "\"user_id\":\"%s\",\"is_online\":%s", name, online ? "true" : "false");
    struct hub_output *output = next_output(worker, WAIT_MS);
    assert_non_null(output);
    assert_int_equal(output->kind, HUB_OUTPUT_FRAME);
    struct slice payload = frame_payload(((struct hub_frame *)output)->frame);
    if (!memmem(payload.data, payload.len, text, strlen(text)))
        fail_msg("%s, but %.*s", text, (int)payload.len, payload.data);
    free_output(output);
}

/* Who is in the room, as presence.get says: each name between commas, and the count. */
static void expect_online(unsigned room, size_t count, const char *const *names)
{
    char text[32];
    ask(HUB_PRESENCE, 0, room, "anna", false);
    struct hub_request *answer = next_answer(0);
    assert_int_equal(answer->status, ERR_OK);
    for (size_t i = 0; i < count; i++)
        assert_non_null(strstr(answer->text, names[i]));
    snprintf(text, sizeof text, "\"count\":%zu", count);
    if (!strstr(answer->text, text))
        fail_msg("%s, but %s", text, answer->text);
    hub_request_free(&answer);
}

/* Joins as anna, worker 0, and waits until the chat has settled. */
static void watch(unsigned room)
{
    struct room_key key = chat(room);
    struct bus_subscription *ours = listen_to(&key);
    (void)ours; /* ends with the bus */
    join(0, room, "anna");
    expect_online(room, 1, (const char *const[]){"anna"});
    expect_said(SIGNAL_PRESENCE_QUERY);
    expect_said(SIGNAL_PRESENCE_CHANGE);
}

static int start_listening(void **state)
{
    pthread_mutex_lock(&ears.lock);
    ears.count = ears.next = 0;
    pthread_mutex_unlock(&ears.lock);
    return start(state);
}

static void nobody_is_told_of_a_user_who_comes_back_to_another_node_in_time(void **state)
{
    (void)state;
    world.config.presence_leave_delay_s = 1;
    watch(1);
    join(1, 1, "bert");
    join(1, 1, "carl");
    expect_told(0, "bert", true);
    expect_told(0, "carl", true);
    ask(HUB_PART, 1, 1, "bert", false);
    ask(HUB_PART, 1, 1, "carl", false);
    struct heard left = expect_said(SIGNAL_PRESENCE_CHANGE);
    while (left.on)
        left = expect_said(SIGNAL_PRESENCE_CHANGE);
    assert_string_equal(left.user, "bert"); /* the others hear it at once */
    say_change(B, 1, "bert", true, 0, 1);
    expect_told(0, "carl", false); /* and nothing of bert before */
    expect_online(1, 2, (const char *const[]){"anna", "bert"});
}

static void the_leave_delay_outlives_the_room_on_the_node_that_was_left(void **state)
{
    (void)state;
    world.config.presence_leave_delay_s = 1;
    watch(1);
    say_change(B, 1, "bert", true, 0, 1);
    expect_told(0, "bert", true);
    uint64_t left_ms = clock_monotonic_ms();
    say(B, 1, (struct signal_message){.kind = SIGNAL_PRESENCE_SNAPSHOT, .page = 1, .pages = 1});
    expect_told(0, "bert", false);
    assert_in_range(clock_monotonic_ms() - left_ms, 500, 60000);
}

static void a_fresh_room_tells_only_who_is_new(void **state)
{
    (void)state;
    world.config.presence_leave_delay_s = 60;
    struct room_key key = chat(1);
    struct bus_subscription *ours = listen_to(&key);
    (void)ours;
    join(0, 1, "anna");
    expect_said(SIGNAL_PRESENCE_QUERY);
    struct slice users[] = {SLICE_LITERAL("bert"), SLICE_LITERAL("carl")};
    struct signal_leaving leaving[] = {{SLICE_LITERAL("dora"), 100}, {SLICE_LITERAL("anna"), 100}};
    join(1, 1, "bert");
    join(1, 1, "emil");
    say(B, 1,
        (struct signal_message){.kind = SIGNAL_PRESENCE_SNAPSHOT,
                                .version = 7,
                                .users = users,
                                .users_count = 2,
                                .leaving = leaving,
                                .leaving_count = 2,
                                .page = 1,
                                .pages = 1});
    expect_told(0, "emil", true); /* and of nobody before him */
    expect_online(1, 5, (const char *const[]){"anna", "bert", "carl", "dora", "emil"});
}

static void presence_get_waits_until_a_fresh_room_has_settled(void **state)
{
    (void)state;
    struct room_key key = chat(1);
    struct bus_subscription *ours = listen_to(&key);
    struct slice bert = SLICE_LITERAL("bert");
    (void)ours;
    join(0, 1, "anna");
    ask(HUB_PRESENCE, 0, 1, "anna", false);
    expect_said(SIGNAL_PRESENCE_QUERY);
    say(B, 1,
        (struct signal_message){.kind = SIGNAL_PRESENCE_SNAPSHOT,
                                .version = 7,
                                .users = &bert,
                                .users_count = 1,
                                .page = 1,
                                .pages = 1});
    struct hub_request *answer = next_answer(0);
    assert_non_null(strstr(answer->text, "\"bert\""));
    hub_request_free(&answer);
}

static void a_change_that_was_missed_is_asked_for_once_a_second(void **state)
{
    (void)state;
    watch(1);
    say_change(B, 1, "bert", true, 0, 1);
    say_change(B, 1, "carl", true, 2, 3);
    say_change(B, 1, "dora", true, 3, 4);
    say_change(C, 1, "emil", true, 8, 9);
    struct heard query = next_said();
    assert_int_equal(query.kind, SIGNAL_PRESENCE_QUERY);
    assert_string_equal(query.to, "node-b.00000000");
    query = next_said();
    assert_int_equal(query.kind, SIGNAL_PRESENCE_QUERY);
    assert_string_equal(query.to, "node-c.00000000");
    expect_told(0, "bert", true);
    expect_told(0, "carl", true);
    expect_told(0, "dora", true);
    expect_told(0, "emil", true);
}

static void changes_carry_the_version_before_and_nobody_is_version_none(void **state)
{
    (void)state;
    watch(1);
    join(1, 1, "bert");
    ask(HUB_PART, 1, 1, "bert", false);
    ask(HUB_PART, 0, 1, "anna", false);
    struct heard came = expect_said(SIGNAL_PRESENCE_CHANGE), went = expect_said(SIGNAL_PRESENCE_CHANGE),
                 last = expect_said(SIGNAL_PRESENCE_CHANGE);
    assert_true(came.on && came.previous > 0 && came.version > came.previous);
    assert_true(!went.on && went.previous == came.version);
    assert_true(!last.on && last.previous == went.version);
    join(0, 1, "anna");
    struct heard again = expect_said(SIGNAL_PRESENCE_CHANGE);
    assert_true(again.on && again.previous == 0 && again.version > last.version);
}

static void users_of_a_dead_node_go_at_once_and_it_is_not_heard_until_it_is_noted_again(void **state)
{
    (void)state;
    world.config.presence_leave_delay_s = 60;
    watch(1);
    hub_note_node(world.hub, B);
    say_change(B, 1, "bert", true, 0, 1);
    expect_told(0, "bert", true);
    hub_forget_node(world.hub, B, true);
    expect_told(0, "bert", false);
    say_change(B, 1, "carl", true, 1, 2); /* was on its way */
    hub_note_node(world.hub, C);
    say_change(C, 1, "dora", true, 0, 1);
    expect_told(0, "dora", true);
    hub_note_node(world.hub, B);
    say_change(B, 1, "emil", true, 0, 3);
    expect_told(0, "emil", true);
    expect_online(1, 3, (const char *const[]){"anna", "dora", "emil"});
}

static void who_died_before_anybody_noted_it_is_gone_after_three_beats(void **state)
{
    (void)state;
    watch(1);
    say_change(B, 1, "bert", true, 0, 1);
    expect_told(0, "bert", true);
    for (int beats = 0; beats < 4; beats++)
        hub_note_node(world.hub, SLICE_LITERAL("node-a.itself"));
    expect_told(0, "bert", false);
    say_change(B, 1, "carl", true, 1, 2); /* was on its way */
    say_change(C, 1, "dora", true, 0, 1);
    expect_told(0, "dora", true);
}

static void have_short_beats(struct config *config)
{
    config->cluster_heartbeat_ms = 100;
    config->presence_leave_delay_s = 60;
}

static int start_with_short_beats(void **state)
{
    (void)state;
    return start_with(have_short_beats);
}

static void users_of_a_node_that_said_goodbye_keep_the_leave_delay(void **state)
{
    (void)state;
    world.config.presence_leave_delay_s = 1;
    watch(1);
    say_change(B, 1, "bert", true, 0, 1);
    expect_told(0, "bert", true);
    uint64_t left_ms = clock_monotonic_ms();
    hub_forget_node(world.hub, B, false);
    expect_told(0, "bert", false);
    assert_in_range(clock_monotonic_ms() - left_ms, 500, 60000);
}

/* The chats are told apart by two bytes here. */
static struct room_key one_of_many(unsigned number)
{
    struct room_key key;
    struct uuid uuid = {{0}};
    uuid.bytes[13] = 1;
    uuid.bytes[14] = (unsigned char)(number >> 8);
    uuid.bytes[15] = (unsigned char)number;
    room_key_for_chat(&uuid, &key);
    return key;
}

static void query(const struct room_key *room)
{
    char subject[SUBJECT_SIZE];
    struct buffer bytes;
    struct signal_message signal = {.kind = SIGNAL_PRESENCE_QUERY, .room = *room, .node = B};
    buffer_init(&bytes, SIGNAL_MAX_BYTES);
    assert_int_equal(signal_encode(&signal, &bytes), ERR_OK);
    subject_format("test", SUBJECT_SIGNAL, room, subject);
    assert_int_equal(bus_publish(world.bus, subject, buffer_slice(&bytes)), ERR_OK);
    buffer_fini(&bytes);
}

static void so_many_questions_are_answered_64_at_each_tick_and_each_chat_once(void **state)
{
    (void)state;
    enum { CHATS = 1200 }; /* 18 ticks of 20 ms */
    struct room_key anna = user("anna");
    for (unsigned i = 0; i < CHATS; i++) {
        struct room_key room = one_of_many(i);
        struct hub_request *request = hub_request_new(HUB_JOIN, 0, &room, &anna);
        assert_non_null(request);
        hub_ask(world.hub, request);
    }
    for (unsigned i = 0; i < CHATS; i++) {
        struct hub_request *answer = next_answer(0);
        hub_request_free(&answer);
    }
    for (unsigned i = 0; i < CHATS; i++) {
        struct room_key room = one_of_many(i);
        struct bus_subscription *ours = listen_to(&room);
        (void)ours;
        query(&room);
        query(&room);
    }
    uint64_t first_ms = expect_said(SIGNAL_PRESENCE_SNAPSHOT).at_ms, last_ms = first_ms;
    for (unsigned i = 1; i < CHATS; i++)
        last_ms = expect_said(SIGNAL_PRESENCE_SNAPSHOT).at_ms;
    assert_in_range(last_ms - first_ms, 3 * 20, 60000); /* not in one; those who listen may be late */
}

/* A relay is noted by nobody, and counts as gone after a while. */
static void who_is_no_node_is_answered_too(void **state)
{
    (void)state;
    hub_note_node(world.hub, B);
    hub_forget_node(world.hub, B, true);
    watch(1);
    say(B, 1, (struct signal_message){.kind = SIGNAL_PRESENCE_QUERY});
    assert_int_equal(expect_said(SIGNAL_PRESENCE_SNAPSHOT).users_count, 1);
}

static void what_has_more_users_than_a_page_is_said_on_several(void **state)
{
    (void)state;
    enum { USERS = 2500 };
    watch(1);
    for (unsigned i = 0; i < USERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "user-%u", i);
        ask(HUB_JOIN, 1, 1, name, false);
    }
    for (unsigned i = 0; i < USERS; i++) {
        struct hub_request *answer = next_answer(1);
        hub_request_free(&answer);
    }
    say(B, 1, (struct signal_message){.kind = SIGNAL_PRESENCE_QUERY});
    size_t users = 0;
    for (uint32_t page = 1; page <= 3; page++) {
        struct heard heard = expect_said(SIGNAL_PRESENCE_SNAPSHOT);
        assert_int_equal(heard.page, page);
        assert_int_equal(heard.pages, 3);
        users += heard.users_count;
    }
    assert_int_equal(users, USERS + 1);
}

static void a_digest_finds_what_was_missed(void **state)
{
    (void)state;
    watch(1);
    say_change(B, 1, "bert", true, 0, 3);
    expect_told(0, "bert", true);
    say_digest(9, 1, 3); /* as known: no question */
    say_digest(9, 1, 2); /* older than what is known */
    say_digest(9, 1, 7);
    struct heard query = next_said();
    assert_int_equal(query.kind, SIGNAL_PRESENCE_QUERY);
    assert_string_equal(query.to, "node-b.00000000");
    say(B, 1, (struct signal_message){.kind = SIGNAL_PRESENCE_QUERY, .to = SLICE_LITERAL("node-c")});
    say(B, 1, (struct signal_message){.kind = SIGNAL_PRESENCE_QUERY});
    struct heard answer = next_said(); /* the first of our own: none was asked twice, nor of others */
    assert_int_equal(answer.kind, SIGNAL_PRESENCE_SNAPSHOT);
}

static void a_chat_that_a_digest_does_not_name_has_nobody_of_that_node(void **state)
{
    (void)state;
    watch(1);
    say_change(B, 1, "bert", true, 0, 3);
    expect_told(0, "bert", true);
    say_digest(2, 1, 0); /* made before bert came */
    say_change(B, 1, "carl", true, 3, 4);
    expect_told(0, "carl", true);
    say_digest(4, 1, 0);
    struct hub_output *first = next_output(0, WAIT_MS), *second = next_output(0, WAIT_MS);
    assert_true(first && second);
    for (int i = 0; i < 2; i++) {
        struct hub_output *output = i == 0 ? first : second;
        struct slice payload = frame_payload(((struct hub_frame *)output)->frame);
        assert_non_null(memmem(payload.data, payload.len, "\"is_online\":false", 17));
        free_output(output);
    }
    ask(HUB_JOIN, 1, 1, "dora", false);
    expect_told(0, "dora", true); /* and nobody else before */
}

static void after_trouble_on_the_bus_each_chat_asks_the_others_and_says_who_is_here(void **state)
{
    (void)state;
    watch(1);
    atomic_fetch_add(&world.bus_changes, 1);
    struct heard heard = next_said();
    assert_int_equal(heard.kind, SIGNAL_PRESENCE_SNAPSHOT);
    assert_true(heard.wants_answer);
    assert_int_equal(heard.users_count, 1);
    say(B, 1,
        (struct signal_message){
            .kind = SIGNAL_PRESENCE_SNAPSHOT, .page = 1, .pages = 1, .wants_answer = true});
    heard = next_said();
    assert_int_equal(heard.kind, SIGNAL_PRESENCE_SNAPSHOT);
    assert_false(heard.wants_answer); /* or it would never end */
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t came;
    size_t rooms_count;
} digests = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};

static void on_digest(void *context, struct bus_message *message)
{
    (void)context;
    struct presence_digest_owned owned;
    if (presence_digest_decode(message->data, &owned) == ERR_OK) {
        pthread_mutex_lock(&digests.lock);
        if (owned.digest.rooms_count > 0 && owned.digest.buckets == PRESENCE_BUCKETS)
            digests.rooms_count = owned.digest.rooms_count;
        pthread_cond_signal(&digests.came);
        pthread_mutex_unlock(&digests.lock);
        presence_digest_release(&owned);
    }
    bus_message_free(&message);
}

static void a_digest_of_the_chats_with_users_here_is_said_again_and_again(void **state)
{
    (void)state;
    struct bus_subscription *subscription;
    struct timespec deadline;
    char subject[SUBJECT_SIZE];
    subject_format_presence("test", subject);
    assert_int_equal(bus_subscribe(world.bus, subject, on_digest, NULL, &subscription), ERR_OK);
    join(0, 1, "anna");
    join(0, 2, "anna");
    for (int round = 0; round < 2; round++) {
        clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += 30;
        pthread_mutex_lock(&digests.lock);
        digests.rooms_count = 0;
        int waited = 0;
        while (digests.rooms_count == 0 && waited == 0)
            waited = pthread_cond_timedwait(&digests.came, &digests.lock, &deadline);
        assert_int_equal(digests.rooms_count, 2);
        pthread_mutex_unlock(&digests.lock);
    }
}

static void a_node_that_ends_says_that_nobody_is_left(void **state)
{
    watch(1);
    join(0, 1, "bert");
    pthread_mutex_lock(&ears.lock);
    ears.next = ears.count;
    pthread_mutex_unlock(&ears.lock);
    stop(state);
    struct heard heard = expect_said(SIGNAL_PRESENCE_SNAPSHOT);
    assert_int_equal(heard.users_count, 0);
    assert_int_equal(heard.version, 0);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
#define WITH_HUB(test) cmocka_unit_test_setup_teardown(test, start_listening, stop)
    const struct CMUnitTest tests[] = {
        WITH_HUB(nobody_is_told_of_a_user_who_comes_back_to_another_node_in_time),
        WITH_HUB(the_leave_delay_outlives_the_room_on_the_node_that_was_left),
        WITH_HUB(a_fresh_room_tells_only_who_is_new),
        WITH_HUB(presence_get_waits_until_a_fresh_room_has_settled),
        WITH_HUB(a_change_that_was_missed_is_asked_for_once_a_second),
        WITH_HUB(changes_carry_the_version_before_and_nobody_is_version_none),
        WITH_HUB(users_of_a_dead_node_go_at_once_and_it_is_not_heard_until_it_is_noted_again),
        cmocka_unit_test_setup_teardown(who_died_before_anybody_noted_it_is_gone_after_three_beats,
                                        start_with_short_beats, stop),
        WITH_HUB(users_of_a_node_that_said_goodbye_keep_the_leave_delay),
        WITH_HUB(so_many_questions_are_answered_64_at_each_tick_and_each_chat_once),
        WITH_HUB(who_is_no_node_is_answered_too),
        WITH_HUB(what_has_more_users_than_a_page_is_said_on_several),
        WITH_HUB(a_digest_finds_what_was_missed),
        WITH_HUB(a_chat_that_a_digest_does_not_name_has_nobody_of_that_node),
        WITH_HUB(after_trouble_on_the_bus_each_chat_asks_the_others_and_says_who_is_here),
        WITH_HUB(a_digest_of_the_chats_with_users_here_is_said_again_and_again),
        cmocka_unit_test_setup(a_node_that_ends_says_that_nobody_is_left, start_listening),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
