#include "relay_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <roomcast/base/clock.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/subject.h>

#include "faulty_bus.h"

static struct relay_fixture *listening; /* the bus's receivers get the room's number */

bool not_yet(uint64_t deadline_ms)
{
    const struct timespec pause = {.tv_nsec = 3000000};

    nanosleep(&pause, NULL);
    return clock_monotonic_ms() < deadline_ms;
}

static char room_ids[FIXTURE_ROOMS][37]; /* written by fixture_start(), before there are threads */

const char *room_id(unsigned room)
{
    return room_ids[room];
}

static void name_rooms(void)
{
    for (unsigned room = 0; room < FIXTURE_ROOMS; room++)
        snprintf(room_ids[room], sizeof room_ids[room], "00000000-0000-4000-8000-%012x", room);
}

/* --- hearing ------------------------------------------------------------------------------------------- */

static void note(struct relay_fixture *fixture, unsigned room, const struct envelope *envelope)
{
    if (fixture->heard_count == fixture->heard_cap) {
        fixture->heard_cap = fixture->heard_cap ? fixture->heard_cap * 2 : 256;
        fixture->heard = realloc(fixture->heard, fixture->heard_cap * sizeof *fixture->heard);
    }
    struct heard *heard = &fixture->heard[fixture->heard_count++];
    *heard = (struct heard){.room = room, .position = envelope->position};
    snprintf(heard->id, sizeof heard->id, "%.*s", SLICE_FMT(envelope->event_id));
    snprintf(heard->source, sizeof heard->source, "%.*s", SLICE_FMT(envelope->source));
    snprintf(heard->client_type, sizeof heard->client_type, "%.*s", SLICE_FMT(envelope->client_type));
    heard->payload = strndup(envelope->payload.data, envelope->payload.len);
}

static void receive(void *context, struct bus_message *message)
{
    unsigned room = (unsigned)(uintptr_t)context;
    struct room_key key;
    struct envelope_owned owned;

    if (room_key_for_chat_text(slice_of(room_id(room)), &key) != ERR_OK ||
        envelope_decode(message->data, &key, &owned) != ERR_OK)
        abort();
    pthread_mutex_lock(&listening->lock);
    note(listening, room, &owned.envelope);
    pthread_cond_broadcast(&listening->cond);
    pthread_mutex_unlock(&listening->lock);
    envelope_release(&owned);
    bus_message_free(&message);
}

static void listen_to_rooms(struct relay_fixture *fixture)
{
    listening = fixture;
    for (unsigned room = 0; room < FIXTURE_ROOMS; room++) {
        char subject[SUBJECT_SIZE];
        struct room_key key;

        assert_int_equal(room_key_for_chat_text(slice_of(room_id(room)), &key), ERR_OK);
        subject_format(fixture->config->nats_prefix, SUBJECT_LIVE, &key, subject);
        assert_int_equal(bus_subscribe(fixture->bus, subject, receive, (void *)(uintptr_t)room,
                                       &fixture->subscriptions[room]),
                         ERR_OK);
    }
}

size_t wait_heard_least(struct relay_fixture *fixture, size_t count)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FIXTURE_WAIT / 1000;
    pthread_mutex_lock(&fixture->lock);
    while (fixture->heard_count < count)
        if (pthread_cond_timedwait(&fixture->cond, &fixture->lock, &until) != 0)
            break;
    size_t heard = fixture->heard_count;
    pthread_mutex_unlock(&fixture->lock);
    if (heard < count)
        fail_msg("heard %zu events instead of %zu", heard, count);
    return heard;
}

void wait_heard(struct relay_fixture *fixture, size_t count)
{
    size_t heard = wait_heard_least(fixture, count);

    if (heard != count)
        fail_msg("heard %zu events instead of %zu", heard, count);
}

void assert_heard_in_order(struct relay_fixture *fixture)
{
    struct position at[FIXTURE_ROOMS] = {{.seq = 0}};

    pthread_mutex_lock(&fixture->lock);
    for (size_t i = 0; i < fixture->heard_count; i++) {
        const struct heard *heard = &fixture->heard[i];
        struct position *last = &at[heard->room];

        assert_int_equal(heard->position.seq, last->seq + 1);
        if (last->seq)
            assert_string_equal(heard->position.epoch, last->epoch);
        *last = heard->position;
        for (size_t j = 0; j < i && fixture->heard_count < 500; j++)
            assert_string_not_equal(fixture->heard[j].id, heard->id);
    }
    pthread_mutex_unlock(&fixture->lock);
}

/* --- Redis --------------------------------------------------------------------------------------------- */

char *make_event(const char *id, unsigned room, const char *content)
{
    char *text = NULL;

    if (id)
        assert_true(
            asprintf(&text,
                     "{\"id\":\"%s\",\"event_type\":\"message.created\",\"payload\":{\"chat_id\":\"%s\","
                     "\"content\":\"%s\"}}",
                     id, room_id(room), content) > 0);
    else
        assert_true(
            asprintf(
                &text,
                "{\"event_type\":\"message.created\",\"payload\":{\"chat_id\":\"%s\",\"content\":\"%s\"}}",
                room_id(room), content) > 0);
    return text;
}

void add_event(const struct relay_fixture *fixture, const char *id, unsigned room, const char *content)
{
    char *event = make_event(id, room, content);

    free(redis_ask(&fixture->redis, "XADD", "roomcast:events", "*", "event", event, (char *)NULL));
    free(event);
}

void wait_acknowledged(const struct relay_fixture *fixture)
{
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;
    bool none = false;

    do {
        char *reply =
            redis_ask(&fixture->redis, "XPENDING", "roomcast:events", "roomcast-relay", (char *)NULL);
        none = strncmp(reply, "*4\r\n:0\r\n", 8) == 0;
        free(reply);
    } while (!none && not_yet(deadline));
    if (!none)
        fail_msg("entries stay unacknowledged");
}

void wait_dead(const struct relay_fixture *fixture, long long count)
{
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;
    long long dead;

    do
        dead = redis_ask_number(&fixture->redis, "XLEN", "roomcast:dead", (char *)NULL);
    while (dead < count && not_yet(deadline));
    assert_int_equal(dead, count);
}

/* --- HTTP ---------------------------------------------------------------------------------------------- */

static char *exchange(uint16_t port, const char *request, size_t len)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 30};
    struct buffer reply;
    char chunk[4096];
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    buffer_init(&reply, SIZE_MAX / 2);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    /* A server that refuses early may close before it has read everything. */
    for (size_t sent = 0; sent < len;) {
        ssize_t part = send(fd, request + sent, len - sent, MSG_NOSIGNAL);
        if (part <= 0)
            break;
        sent += (size_t)part;
    }
    while ((got = recv(fd, chunk, sizeof chunk, 0)) > 0)
        buffer_append(&reply, chunk, (size_t)got);
    close(fd);
    return buffer_take(&reply);
}

int http(const struct relay_fixture *fixture, const char *method, const char *path, const char *key,
         const char *body, char **ret_reply)
{
    struct buffer request;
    int status = 0;

    buffer_init(&request, SIZE_MAX / 2);
    buffer_appendf(&request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", method, path);
    if (key)
        buffer_appendf(&request, "Authorization: Bearer %s\r\n", key);
    buffer_appendf(&request, "Content-Length: %zu\r\n\r\n", body ? strlen(body) : 0);
    if (body)
        buffer_append_text(&request, body);
    char *reply = exchange(relay_http_port(fixture->relay), request.data, request.len);
    buffer_fini(&request);
    assert_non_null(reply);
    if (sscanf(reply, "HTTP/1.1 %d", &status) != 1)
        fail_msg("no HTTP reply: %s", reply);
    if (ret_reply)
        *ret_reply = reply;
    else
        free(reply);
    return status;
}

void wait_ready(const struct relay_fixture *fixture)
{
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;
    int status;

    do
        status = http(fixture, "GET", "/readyz", NULL, NULL, NULL);
    while (status != 200 && not_yet(deadline));
    assert_int_equal(status, 200);
}

/* --- life ---------------------------------------------------------------------------------------------- */

static struct config *load(const struct relay_fixture *fixture, const char *const *settings)
{
    char redis_url[192];
    const char *const own[] = {redis_url, "ROOMCAST_RELAY_LISTEN=127.0.0.1:0",
                               "ROOMCAST_RELAY_API_KEY=" FIXTURE_KEY, "ROOMCAST_NODE_NAME=relay-under-test",
                               "ROOMCAST_RELAY_LEASE_MS=0"};
    char *environment[32] = {NULL}; /* the first of a name counts */
    char *arguments[] = {NULL};
    size_t count = 0;
    struct config *config = NULL;

    snprintf(redis_url, sizeof redis_url, "ROOMCAST_REDIS_URL=%s",
             fixture->has_redis ? fixture->redis.url : "redis://127.0.0.1:1/0");
    for (; settings && *settings; settings++)
        environment[count++] = (char *)*settings;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        environment[count++] = (char *)own[i];
    const struct config_request request = {
        .program = CONFIG_RELAY,
        .name = "test",
        .version = "0",
        .summary = "",
        .argc = 0,
        .argv = arguments,
        .environment = environment,
        .output = stdout,
        .errors = stderr,
    };
    assert_int_equal(config_load(&request, &config), CONFIG_RUN);
    return config;
}

void fixture_start_relay(struct relay_fixture *fixture)
{
    char problem[256] = "";
    const struct relay_options options = {.config = fixture->config,
                                          .bus = fixture->bus,
                                          .revocations_bus = fixture->revocations_bus,
                                          .redis_optional = !fixture->has_redis};

    if (relay_start(&options, &fixture->relay, problem) != ERR_OK)
        fail_msg("relay_start: %s", problem);
}

void fixture_stop_relay(struct relay_fixture *fixture, uint64_t timeout_ms)
{
    relay_stop(&fixture->relay, timeout_ms);
    assert_null(fixture->relay);
}

void fixture_start(struct relay_fixture *fixture, bool with_redis, const char *const *settings)
{
    struct bus *memory = NULL;

    memset(fixture, 0, sizeof *fixture);
    name_rooms();
    fixture->has_redis = with_redis;
    if (with_redis)
        redis_process_start(&fixture->redis, NULL);
    pthread_mutex_init(&fixture->lock, NULL);
    pthread_cond_init(&fixture->cond, NULL);
    fixture->config = load(fixture, settings);
    const struct bus_memory_options options = {.prefix = fixture->config->nats_prefix,
                                               .max_bytes = 256u << 20};
    const struct bus_callbacks callbacks = {.on_event = NULL};
    assert_int_equal(bus_memory_new(&options, &callbacks, &memory), ERR_OK);
    fixture->bus = faulty_bus_new(memory);
    char prefix[SUBJECT_SIZE];
    subject_format_revocations(fixture->config->nats_prefix, prefix);
    const struct bus_memory_options of_revocations = {.prefix = prefix, .max_bytes = 64u << 20};
    assert_int_equal(bus_memory_new(&of_revocations, &callbacks, &memory), ERR_OK);
    fixture->revocations_bus = faulty_bus_new(memory);
    listen_to_rooms(fixture);
    fixture_start_relay(fixture);
}

void fixture_stop(struct relay_fixture *fixture)
{
    relay_stop(&fixture->relay, 1000);
    bus_free(&fixture->bus);
    bus_free(&fixture->revocations_bus);
    if (fixture->has_redis)
        redis_process_fini(&fixture->redis);
    config_free(&fixture->config);
    for (size_t i = 0; i < fixture->heard_count; i++)
        free(fixture->heard[i].payload);
    free(fixture->heard);
    pthread_mutex_destroy(&fixture->lock);
    pthread_cond_destroy(&fixture->cond);
}
