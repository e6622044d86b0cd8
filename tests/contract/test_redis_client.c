/* redis_client against a real redis-server. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/random.h>
#include <roomcast/io/redis_client.h>

#include "redis_process.h"

static const struct redis_group group = {"s", "g", "one"};

static struct redis_client *new_client(const char *url)
{
    struct redis_options options = {.url = url, .connect_timeout_ms = 1000, .command_timeout_ms = 1000};
    struct redis_client *client = NULL;
    char problem[REDIS_PROBLEM_SIZE] = "";

    assert_int_equal(redis_client_new(&options, &client, problem), ERR_OK);
    return client;
}

static struct redis_client *connected(const struct redis_process *redis)
{
    struct redis_client *client = new_client(redis->url);

    if (redis_client_connect(client) != ERR_OK)
        fail_msg("connect: %s", redis_client_problem(client));
    return client;
}

static void add(const struct redis_process *redis, const char *event)
{
    free(redis_ask(redis, "XADD", "s", "*", "event", event, (char *)NULL));
}

static void assert_entry(const struct redis_entry *entry, const char *event)
{
    assert_true(entry->has_event);
    assert_int_equal(entry->event.len, strlen(event));
    assert_memory_equal(entry->event.data, event, entry->event.len);
}

static int setup(void **state)
{
    struct redis_process *redis = calloc(1, sizeof *redis);

    assert_non_null(redis);
    redis_process_start(redis, NULL);
    *state = redis;
    return 0;
}

static int teardown(void **state)
{
    redis_process_fini(*state);
    free(*state);
    return 0;
}

static void bury(const struct redis_process *redis, const char *id, const char *field)
{
    free(redis_ask(redis, "XADD", "dead", id, "reason", "why", "source", "s 1-0", "ts", "then", field, "{}",
                   (char *)NULL));
}

static void assert_text(struct slice text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.data, expected, text.len);
}

static void redis_shows_dead_letters_the_newest_first_and_page_by_page(void **state)
{
    const struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    struct redis_letters letters;

    assert_int_equal(redis_letters_before(client, "dead", "", 2, &letters), ERR_OK);
    assert_int_equal(letters.count, 0);
    assert_int_equal(letters.total, 0);
    redis_letters_release(&letters);
    bury(redis, "1-1", "event");
    bury(redis, "1-2", "truncated");
    bury(redis, "2-0", "event");
    assert_int_equal(redis_letters_before(client, "dead", "", 2, &letters), ERR_OK);
    assert_int_equal(letters.count, 2);
    assert_int_equal(letters.total, 3);
    assert_string_equal(letters.items[0].id, "2-0");
    assert_text(letters.items[0].reason, "why");
    assert_text(letters.items[0].source, "s 1-0");
    assert_text(letters.items[0].ts, "then");
    assert_text(letters.items[0].event, "{}");
    assert_false(letters.items[0].is_truncated);
    assert_string_equal(letters.items[1].id, "1-2");
    assert_true(letters.items[1].is_truncated);
    assert_int_equal(letters.items[1].event.len, 0);
    redis_letters_release(&letters);
    assert_int_equal(redis_letters_before(client, "dead", "1-2", 2, &letters), ERR_OK);
    assert_int_equal(letters.count, 1);
    assert_string_equal(letters.items[0].id, "1-1");
    redis_letters_release(&letters);
    assert_int_equal(redis_letter(client, "dead", "1-2", &letters), ERR_OK);
    assert_int_equal(letters.count, 1);
    redis_letters_release(&letters);
    assert_int_equal(redis_letter(client, "dead", "1-3", &letters), ERR_OK);
    assert_int_equal(letters.count, 0);
    redis_letters_release(&letters);
    free(redis_ask(redis, "SET", "dead2", "x", (char *)NULL));
    assert_int_not_equal(redis_letters_before(client, "dead2", "", 2, &letters), ERR_OK);
    assert_non_null(strstr(redis_client_problem(client), "WRONGTYPE"));
    redis_client_free(&client);
}

static void redis_replays_a_dead_letter_once_and_none_that_is_not_whole(void **state)
{
    const struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    enum redis_replayed replayed;
    char id[REDIS_ID_SIZE];

    bury(redis, "1-1", "event");
    bury(redis, "1-2", "truncated");
    assert_int_equal(redis_letter_replay(client, "dead", "s", "1-1", &replayed, id), ERR_OK);
    assert_int_equal(replayed, REDIS_REPLAYED);
    assert_non_null(strchr(id, '-'));
    char *entry = redis_ask(redis, "XRANGE", "s", id, id, (char *)NULL);
    assert_non_null(strstr(entry, "event\r\n$2\r\n{}"));
    free(entry);
    assert_int_equal(redis_ask_number(redis, "XLEN", "dead", (char *)NULL), 1);
    assert_int_equal(redis_letter_replay(client, "dead", "s", "1-1", &replayed, id), ERR_OK);
    assert_int_equal(replayed, REDIS_REPLAY_MISSING);
    assert_int_equal(redis_letter_replay(client, "dead", "s", "1-2", &replayed, id), ERR_OK);
    assert_int_equal(replayed, REDIS_REPLAY_TRUNCATED);
    assert_int_equal(redis_ask_number(redis, "XLEN", "s", (char *)NULL), 1);
    assert_int_equal(redis_ask_number(redis, "XLEN", "dead", (char *)NULL), 1);

    /* What cannot be added stays where it is. */
    bury(redis, "1-3", "event");
    free(redis_ask(redis, "SET", "no-stream", "x", (char *)NULL));
    assert_int_not_equal(redis_letter_replay(client, "dead", "no-stream", "1-3", &replayed, id), ERR_OK);
    assert_int_equal(redis_ask_number(redis, "XLEN", "dead", (char *)NULL), 2);
    redis_client_free(&client);
}

static void redis_client_refuses_wrong_urls(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "http://h/0",
        "rediss://h/0",
        "redis://",
        "redis://:@h",
        "redis://user@h",
        "redis://:sec%zzret@h",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:12x",
        "redis://h:1/x",
        "redis://[::1",
        "redis://[::1]x",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct redis_options options = {.url = wrong[i]};
        struct redis_client *client = NULL;
        char problem[REDIS_PROBLEM_SIZE] = "";

        assert_int_equal(redis_client_new(&options, &client, problem), ERR_CONFIG);
        assert_null(client);
        assert_true(strlen(problem) > 10);
        assert_null(strstr(problem, "ret"));
    }
}

static void redis_client_connects_with_a_password(void **state)
{
    (void)state;
    struct redis_process redis;
    char url[160];

    redis_process_start(&redis, "s3cr/et");
    struct redis_client *client = new_client(redis.url);
    assert_int_equal(redis_client_connect(client), ERR_OK);
    assert_true(redis_client_is_connected(client));
    redis_client_free(&client);
    assert_null(client);

    snprintf(url, sizeof url, "redis://default:s3cr%%2Fet@localhost:%u/3", redis.port);
    client = new_client(url);
    assert_int_equal(redis_client_connect(client), ERR_OK);
    redis_client_free(&client);

    snprintf(url, sizeof url, "redis://default:wr0ng@localhost:%u/3", redis.port);
    client = new_client(url);
    assert_int_equal(redis_client_connect(client), ERR_FORBIDDEN);
    assert_null(strstr(redis_client_problem(client), "wr0ng"));
    redis_client_free(&client);

    snprintf(url, sizeof url, "redis://localhost:%u", redis.port);
    client = new_client(url);
    assert_int_equal(redis_client_connect(client), ERR_FORBIDDEN);
    assert_false(redis_client_is_connected(client));
    redis_client_free(&client);
    redis_process_fini(&redis);
}

static void redis_client_reports_what_is_missing(void **state)
{
    struct redis_process *redis = *state;
    char url[160];

    snprintf(url, sizeof url, "redis://127.0.0.1:%u", free_port());
    struct redis_client *client = new_client(url);
    assert_int_equal(redis_ping(client), ERR_UNAVAILABLE);
    assert_int_equal(redis_client_connect(client), ERR_UNAVAILABLE);
    assert_string_equal(redis_client_problem(client), "Connection refused");
    redis_client_free(&client);

    snprintf(url, sizeof url, "redis://127.0.0.1:%u/99", redis->port);
    client = new_client(url);
    assert_int_equal(redis_client_connect(client), ERR_UNAVAILABLE);
    assert_non_null(strstr(redis_client_problem(client), "DB index"));
    redis_client_free(&client);
}

static void redis_group_reads_what_came_before_it(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    struct redis_entries entries;
    uint64_t pending;

    add(redis, "early");
    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    assert_int_equal(redis_read_new(client, &group, 10, 0, &pending, &entries), ERR_OK);
    assert_int_equal(entries.count, 1);
    assert_entry(&entries.items[0], "early");
    redis_entries_release(&entries);
    redis_client_free(&client);
}

static void redis_reads_new_then_pending_then_acks(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    struct redis_entries entries;
    uint64_t pending;
    char first[REDIS_ID_SIZE], second[REDIS_ID_SIZE];

    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    assert_int_equal(redis_read_new(client, &group, 10, 20, &pending, &entries), ERR_OK);
    assert_int_equal(entries.count, 0);
    assert_int_equal(pending, 0);
    redis_entries_release(&entries);
    add(redis, "a");
    add(redis, "b");
    free(redis_ask(redis, "XADD", "s", "*", "other", "x", "more", "y", (char *)NULL));
    assert_int_equal(redis_read_new(client, &group, 10, 1000, &pending, &entries), ERR_OK);
    assert_int_equal(entries.count, 3);
    assert_int_equal(pending, 3);
    assert_entry(&entries.items[0], "a");
    assert_entry(&entries.items[1], "b");
    assert_false(entries.items[2].has_event);
    const char fields[] = "{\"other\":\"x\",\"more\":\"y\"}"; /* instead of the event */
    assert_int_equal(entries.items[2].event.len, sizeof fields - 1);
    assert_memory_equal(entries.items[2].event.data, fields, sizeof fields - 1);
    assert_false(entries.items[2].trimmed);
    strcpy(first, entries.items[0].id);
    strcpy(second, entries.items[1].id);
    free(redis_ask(redis, "XDEL", "s", entries.items[2].id, (char *)NULL));
    redis_entries_release(&entries);

    struct redis_entries none;
    assert_int_equal(redis_read_new(client, &group, 10, 0, &pending, &none), ERR_OK);
    assert_int_equal(none.count, 0);
    assert_int_equal(pending, 3); /* not acknowledged yet */
    redis_entries_release(&none);

    assert_int_equal(redis_read_pending(client, &group, "0", 1, &entries), ERR_OK);
    assert_int_equal(entries.count, 1);
    assert_entry(&entries.items[0], "a");
    redis_entries_release(&entries);
    assert_int_equal(redis_read_pending(client, &group, first, 10, &entries), ERR_OK);
    assert_int_equal(entries.count, 2);
    assert_entry(&entries.items[0], "b");
    assert_true(entries.items[1].trimmed);
    const char *ids[] = {first, second, entries.items[1].id};
    assert_int_equal(redis_ack(client, &group, ids, 3), ERR_OK);
    redis_entries_release(&entries);
    assert_int_equal(redis_read_pending(client, &group, "0", 10, &entries), ERR_OK);
    assert_int_equal(entries.count, 0);
    redis_entries_release(&entries);
    redis_client_free(&client);
}

static void redis_keeps_the_fields_of_entries_without_an_event(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    struct redis_entries entries;
    uint64_t pending;
    size_t size = 1u << 20;
    char *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, 1, size);
    const struct redis_field odd = {"a\"\xff", SLICE_LITERAL("\n\xc3\xa9")}, large = {"large", {bytes, size}};
    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    assert_int_equal(redis_add(client, "s", 10, &odd, 1), ERR_OK);
    add(redis, "an event");
    assert_int_equal(redis_add(client, "s", 10, &large, 1), ERR_OK);
    assert_int_equal(redis_read_new(client, &group, 10, 100, &pending, &entries), ERR_OK);
    assert_int_equal(entries.count, 3);
    const char fields[] = "{\"a\\\"\xef\xbf\xbd\":\"\\n\xc3\xa9\"}";
    const struct slice first = entries.items[0].event, last = entries.items[2].event;
    assert_int_equal(first.len, sizeof fields - 1);
    assert_memory_equal(first.data, fields, first.len);
    assert_entry(&entries.items[1], "an event");
    assert_in_range(last.len, 64u << 10, (64u << 10) + 32);
    assert_memory_equal(last.data + last.len - 8, "\\u0001\"}", 8);
    redis_entries_release(&entries);
    free(bytes);
    redis_client_free(&client);
}

static void redis_acks_more_than_one_command_holds(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    struct redis_entries entries;
    uint64_t pending;
    struct redis_field field = {"event", SLICE_LITERAL("x")};

    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    for (unsigned i = 0; i < 1200; i++)
        assert_int_equal(redis_add(client, "s", 100000, &field, 1), ERR_OK);
    assert_int_equal(redis_read_new(client, &group, 2000, 0, &pending, &entries), ERR_OK);
    assert_int_equal(entries.count, 1200);
    const char **ids = calloc(entries.count, sizeof *ids);
    for (size_t i = 0; i < entries.count; i++)
        ids[i] = entries.items[i].id;
    assert_int_equal(redis_ack(client, &group, ids, entries.count), ERR_OK);
    free(ids);
    redis_entries_release(&entries);
    char *summary = redis_ask(redis, "XPENDING", "s", "g", (char *)NULL);
    assert_memory_equal(summary, "*4\r\n:0\r\n", 8);
    free(summary);
    redis_client_free(&client);
}

static void redis_claims_what_a_dead_consumer_left(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    const struct redis_group dead = {"s", "g", "dead"};
    struct redis_entries entries;
    uint64_t pending;
    char cursor[REDIS_ID_SIZE] = "0-0";

    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    add(redis, "a");
    add(redis, "b");
    add(redis, "c");
    assert_int_equal(redis_read_new(client, &dead, 10, 0, &pending, &entries), ERR_OK);
    assert_int_equal(entries.count, 3);
    free(redis_ask(redis, "XDEL", "s", entries.items[1].id, (char *)NULL));
    redis_entries_release(&entries);

    assert_int_equal(redis_claim(client, &group, 600000, 10, cursor, &entries), ERR_OK);
    assert_int_equal(entries.count, 0);
    assert_string_equal(cursor, "0-0");
    redis_entries_release(&entries);
    assert_int_equal(redis_claim(client, &group, 0, 1, cursor, &entries), ERR_OK);
    assert_int_equal(entries.count, 1);
    assert_entry(&entries.items[0], "a");
    assert_string_not_equal(cursor, "0-0");
    redis_entries_release(&entries);
    assert_int_equal(redis_claim(client, &group, 0, 10, cursor, &entries), ERR_OK);
    assert_int_equal(entries.count, 1);
    assert_entry(&entries.items[0], "c");
    assert_string_equal(cursor, "0-0");
    redis_entries_release(&entries);
    redis_client_free(&client);
}

static void redis_tells_that_the_group_is_gone(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    struct redis_entries entries;
    uint64_t pending;

    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    free(redis_ask(redis, "FLUSHALL", (char *)NULL));
    assert_int_equal(redis_read_new(client, &group, 10, 10, &pending, &entries), ERR_MISSING);
    assert_true(redis_client_is_connected(client));
    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    add(redis, "a");
    assert_int_equal(redis_read_new(client, &group, 10, 10, &pending, &entries), ERR_OK);
    assert_int_equal(entries.count, 1);
    redis_entries_release(&entries);
    redis_client_free(&client);
}

static void redis_survives_a_stream_of_another_type(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);

    free(redis_ask(redis, "SET", "s", "text", (char *)NULL));
    assert_int_equal(redis_group_ensure(client, &group), ERR_IO);
    assert_non_null(strstr(redis_client_problem(client), "WRONGTYPE"));
    assert_int_equal(redis_ping(client), ERR_OK);
    redis_client_free(&client);
}

static void redis_carries_large_binary_entries(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    struct redis_entries entries;
    uint64_t pending;
    size_t size = 10u << 20;
    char *bytes = malloc(size);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 31 % 256);
    const struct redis_field fields[] = {{"event", {bytes, size}}, {"empty", {NULL, 0}}};
    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    assert_int_equal(redis_add(client, "s", 10, fields, 2), ERR_OK);
    assert_int_equal(redis_read_new(client, &group, 10, 100, &pending, &entries), ERR_OK);
    assert_int_equal(entries.items[0].event.len, size);
    assert_int_equal(memcmp(entries.items[0].event.data, bytes, size), 0);
    redis_entries_release(&entries);
    free(bytes);
    redis_client_free(&client);
}

static void redis_reconnects_after_a_restart(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    struct redis_entries entries;
    uint64_t pending;

    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    redis_process_stop(redis);
    assert_int_equal(redis_read_new(client, &group, 10, 10, &pending, &entries), ERR_UNAVAILABLE);
    assert_false(redis_client_is_connected(client));
    assert_int_equal(redis_client_connect(client), ERR_UNAVAILABLE);
    redis_process_restart(redis);
    assert_int_equal(redis_client_connect(client), ERR_OK);
    assert_int_equal(redis_read_new(client, &group, 10, 10, &pending, &entries), ERR_MISSING);
    redis_client_free(&client);
}

static void redis_gives_up_on_a_frozen_server(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    uint64_t start = clock_monotonic_ms();

    redis_process_freeze(redis);
    assert_int_equal(redis_ping(client), ERR_TIMEOUT);
    assert_string_equal(redis_client_problem(client), "no answer in time");
    assert_false(redis_client_is_connected(client));
    assert_in_range(clock_monotonic_ms() - start, 900, 5000);
    redis_process_thaw(redis);
    redis_client_free(&client);
}

static void redis_delivers_published_messages(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    static const char *const patterns[] = {"events.*", "events:*"};
    struct redis_message message;

    assert_int_equal(redis_psubscribe(client, patterns, 2), ERR_OK);
    assert_int_equal(redis_next_message(client, 10, &message), ERR_BUSY);
    assert_int_equal(redis_ask_number(redis, "PUBLISH", "events.chat", "one", (char *)NULL), 1);
    assert_int_equal(redis_ask_number(redis, "PUBLISH", "other", "none", (char *)NULL), 0);
    assert_int_equal(redis_ask_number(redis, "PUBLISH", "events:x", "two", (char *)NULL), 1);
    assert_int_equal(redis_next_message(client, 2000, &message), ERR_OK);
    assert_true(slice_equal(message.channel, slice_of("events.chat")));
    assert_true(slice_equal(message.payload, slice_of("one")));
    redis_message_release(&message);
    assert_int_equal(redis_next_message(client, 2000, &message), ERR_OK);
    assert_true(slice_equal(message.payload, slice_of("two")));
    redis_message_release(&message);
    struct redis_client *publisher = connected(redis);
    assert_int_equal(redis_publish(publisher, "events.chat", SLICE_LITERAL("three\0\r\n")), ERR_OK);
    assert_int_equal(redis_publish(publisher, "other", SLICE_LITERAL("none")), ERR_OK);
    assert_int_equal(redis_next_message(client, 2000, &message), ERR_OK);
    assert_true(slice_equal(message.payload, SLICE_LITERAL("three\0\r\n")));
    redis_message_release(&message);
    redis_process_stop(redis);
    assert_int_equal(redis_publish(publisher, "events.chat", SLICE_LITERAL("four")), ERR_UNAVAILABLE);
    redis_client_free(&publisher);
    assert_int_equal(redis_next_message(client, 2000, &message), ERR_UNAVAILABLE);
    assert_int_equal(redis_next_message(client, 10, &message), ERR_UNAVAILABLE);
    redis_client_free(&client);
}

static void redis_sends_all_that_came_before_the_end_of_a_subscription_and_then_says_so(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    const char *patterns[] = {"events.*", "events:*"};
    struct redis_message message;

    assert_int_equal(redis_psubscribe(client, patterns, 2), ERR_OK);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(redis_ask_number(redis, "PUBLISH", "events.chat", "before", (char *)NULL), 1);
    assert_int_equal(redis_punsubscribe(client), ERR_OK);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(redis_next_message(client, 20000, &message), ERR_OK);
        redis_message_release(&message);
    }
    assert_int_equal(redis_next_message(client, 20000, &message), ERR_MISSING);
    assert_int_equal(redis_ask_number(redis, "PUBLISH", "events.chat", "after", (char *)NULL), 0);
    assert_int_equal(redis_next_message(client, 10, &message), ERR_BUSY);
    redis_client_free(&client);

    client = connected(redis);
    redis_client_disconnect(client);
    assert_int_equal(redis_punsubscribe(client), ERR_UNAVAILABLE);
    redis_client_free(&client);
}

static void redis_tells_how_far_a_group_is_behind(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    struct redis_entries entries;
    struct redis_lag lag;
    uint64_t pending;

    assert_int_equal(redis_group_lag(client, &group, &lag), ERR_MISSING);
    assert_int_equal(redis_group_ensure(client, &group), ERR_OK);
    assert_int_equal(redis_group_lag(client, &group, &lag), ERR_OK);
    assert_int_equal(lag.entries, 0);
    assert_int_equal(lag.oldest_ms, 0);
    free(redis_ask(redis, "XADD", "s", "1000-0", "event", "a", (char *)NULL));
    free(redis_ask(redis, "XADD", "s", "2000-0", "event", "b", (char *)NULL));
    free(redis_ask(redis, "XADD", "s", "3000-5", "event", "c", (char *)NULL));
    assert_int_equal(redis_group_lag(client, &group, &lag), ERR_OK);
    assert_int_equal(lag.entries, 3);
    assert_int_equal(lag.oldest_ms, 1000);
    assert_int_equal(redis_read_new(client, &group, 2, 1000, &pending, &entries), ERR_OK);
    assert_int_equal(redis_group_lag(client, &group, &lag), ERR_OK);
    assert_int_equal(lag.entries, 3); /* two under way, one waits */
    assert_int_equal(lag.oldest_ms, 1000);
    const char *ids[] = {"1000-0", "2000-0"};
    assert_int_equal(redis_ack(client, &group, ids, 2), ERR_OK);
    redis_entries_release(&entries);
    assert_int_equal(redis_group_lag(client, &group, &lag), ERR_OK);
    assert_int_equal(lag.entries, 1);
    assert_int_equal(lag.oldest_ms, 3000);
    redis_process_stop(redis);
    assert_int_equal(redis_group_lag(client, &group, &lag), ERR_UNAVAILABLE);
    redis_client_free(&client);
}

static void redis_probes_a_silent_subscription(void **state)
{
    struct redis_process *redis = *state;
    struct redis_client *client = connected(redis);
    static const char *const patterns[] = {"events.*"};
    struct redis_message message;
    uint64_t start = clock_monotonic_ms();
    enum err err;

    assert_int_equal(redis_psubscribe(client, patterns, 1), ERR_OK);
    redis_process_freeze(redis);
    do
        err = redis_next_message(client, 100, &message);
    while (err == ERR_BUSY && clock_monotonic_ms() - start < 20000);
    assert_int_equal(err, ERR_TIMEOUT);
    redis_process_thaw(redis);
    redis_client_free(&client);
}

int main(void)
{
#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis_client_refuses_wrong_urls),
        cmocka_unit_test(redis_client_connects_with_a_password),
        WITH_REDIS(redis_client_reports_what_is_missing),
        WITH_REDIS(redis_group_reads_what_came_before_it),
        WITH_REDIS(redis_reads_new_then_pending_then_acks),
        WITH_REDIS(redis_tells_how_far_a_group_is_behind),
        WITH_REDIS(redis_keeps_the_fields_of_entries_without_an_event),
        WITH_REDIS(redis_acks_more_than_one_command_holds),
        WITH_REDIS(redis_claims_what_a_dead_consumer_left),
        WITH_REDIS(redis_tells_that_the_group_is_gone),
        WITH_REDIS(redis_survives_a_stream_of_another_type),
        WITH_REDIS(redis_carries_large_binary_entries),
        WITH_REDIS(redis_reconnects_after_a_restart),
        WITH_REDIS(redis_gives_up_on_a_frozen_server),
        WITH_REDIS(redis_delivers_published_messages),
        WITH_REDIS(redis_sends_all_that_came_before_the_end_of_a_subscription_and_then_says_so),
        WITH_REDIS(redis_probes_a_silent_subscription),
        WITH_REDIS(redis_shows_dead_letters_the_newest_first_and_page_by_page),
        WITH_REDIS(redis_replays_a_dead_letter_once_and_none_that_is_not_whole),
    };
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
