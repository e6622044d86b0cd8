#include <roomcast/io/redis_client.h>

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hiredis/hiredis.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/random.h>

#include "redis_command.h"
#include "redis_url.h"

#define QUIET_MS 5000 /* a subscribed connection is probed after this much silence */

struct redis_client {
    struct redis_url url;
    unsigned connect_timeout_ms, command_timeout_ms;
    redisContext *redis;          /* owned; NULL while disconnected */
    uint64_t heard_ms, probed_ms; /* monotonic, subscribed: last bytes, open PING (0: none) */
    char problem[REDIS_PROBLEM_SIZE];
};

static struct timeval as_timeval(uint64_t ms)
{
    return (struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
}

enum err redis_client_new(const struct redis_options *options, struct redis_client **ret_client,
                          char *problem)
{
    struct redis_client *client = calloc(1, sizeof *client);

    if (!client) {
        snprintf(problem, REDIS_PROBLEM_SIZE, "%s", err_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    enum err err = redis_url_parse(options->url, &client->url, problem, REDIS_PROBLEM_SIZE);
    if (err != ERR_OK) {
        free(client);
        return err;
    }
    client->connect_timeout_ms = options->connect_timeout_ms;
    client->command_timeout_ms = options->command_timeout_ms;
    *ret_client = client;
    return ERR_OK;
}

void redis_client_free(struct redis_client **client)
{
    if (!*client)
        return;
    redis_client_disconnect(*client);
    wipe(&(*client)->url, sizeof(*client)->url);
    free(*client);
    *client = NULL;
}

void redis_client_disconnect(struct redis_client *client)
{
    if (client->redis)
        redisFree(client->redis);
    client->redis = NULL;
}

bool redis_client_is_connected(const struct redis_client *client)
{
    return client->redis != NULL;
}

const char *redis_client_problem(const struct redis_client *client)
{
    return client->problem;
}

static enum err fail(struct redis_client *client, enum err err, const char *problem)
{
    snprintf(client->problem, sizeof client->problem, "%s", problem);
    return err;
}

/* The connection is of no use any more: a reply that comes late would be taken for the next command's. */
static enum err fail_connection(struct redis_client *client)
{
    /* hiredis reports a passed SO_RCVTIMEO as REDIS_ERR_IO with EAGAIN. */
    bool timed_out =
        client->redis && client->redis->err == REDIS_ERR_IO && (errno == EAGAIN || errno == ETIMEDOUT);

    snprintf(client->problem, sizeof client->problem, "%s",
             timed_out        ? "no answer in time"
             : !client->redis ? "not connected"
                              : client->redis->errstr);
    redis_client_disconnect(client);
    return timed_out ? ERR_TIMEOUT : ERR_UNAVAILABLE;
}

/* Error replies begin with a word in capitals (redis.io, "Redis serialization protocol", simple errors). Only
 * that word and what Redis says of itself is kept: an error about wrong arguments may quote them. */
static enum err fail_reply(struct redis_client *client, const redisReply *reply)
{
    static const struct {
        const char *word;
        enum err err;
    } known[] = {
        {"NOGROUP", ERR_MISSING},     {"UNBLOCKED", ERR_MISSING}, {"NOAUTH", ERR_FORBIDDEN},
        {"WRONGPASS", ERR_FORBIDDEN}, {"NOPERM", ERR_FORBIDDEN},
    };
    struct slice text = {reply->str, reply->len};
    const char *space = memchr(text.data, ' ', text.len);
    size_t word = space ? (size_t)(space - text.data) : text.len;
    enum err err = ERR_IO;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (word == strlen(known[i].word) && memcmp(text.data, known[i].word, word) == 0)
            err = known[i].err;
    const char *quote = memmem(text.data, text.len, ", with args", 11);
    if (quote)
        text.len = (size_t)(quote - text.data);
    snprintf(client->problem, sizeof client->problem, "Redis answered: %.*s",
             (int)(text.len < 120 ? text.len : 120), text.data);
    return err;
}

static enum err fail_form(struct redis_client *client)
{
    return fail(client, ERR_SYNTAX, "Redis answered in an unexpected form");
}

/* Sends a command and waits for its reply; `block_ms` is what the command itself was told to wait. */
static enum err call(struct redis_client *client, struct command *command, unsigned block_ms,
                     redisReply **ret_reply)
{
    if (!client->redis)
        return fail_connection(client);
    errno = 0;
    if (redisSetTimeout(client->redis, as_timeval((uint64_t)client->command_timeout_ms + block_ms)) !=
        REDIS_OK)
        return fail_connection(client);
    redisReply *reply = redisCommandArgv(client->redis, command->count, command->args, command->lens);
    if (!reply)
        return fail_connection(client);
    if (reply->type == REDIS_REPLY_ERROR) {
        enum err err = fail_reply(client, reply);
        freeReplyObject(reply);
        return err;
    }
    *ret_reply = reply;
    return ERR_OK;
}

static enum err call_for_effect(struct redis_client *client, struct command *command)
{
    redisReply *reply;
    enum err err = call(client, command, 0, &reply);

    if (err == ERR_OK)
        freeReplyObject(reply);
    return err;
}

static enum err authenticate(struct redis_client *client)
{
    struct command command = {.count = 0};

    if (!client->url.password[0])
        return ERR_OK;
    command_text(&command, "AUTH");
    if (client->url.user[0])
        command_text(&command, client->url.user);
    command_text(&command, client->url.password);
    enum err err = call_for_effect(client, &command);
    if (err == ERR_IO || err == ERR_FORBIDDEN) /* whatever Redis said may quote what it was sent */
        return fail(client, ERR_FORBIDDEN, "Redis refuses the user or the password");
    return err;
}

static enum err select_db(struct redis_client *client)
{
    struct command command = {.count = 0};

    if (client->url.db == 0)
        return ERR_OK;
    command_text(&command, "SELECT");
    command_number(&command, client->url.db);
    return call_for_effect(client, &command);
}

enum err redis_client_connect(struct redis_client *client)
{
    redis_client_disconnect(client);
    client->redis =
        redisConnectWithTimeout(client->url.host, client->url.port, as_timeval(client->connect_timeout_ms));
    if (!client->redis)
        return fail(client, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    if (client->redis->err)
        return fail_connection(client);
    (void)redisEnableKeepAlive(client->redis); /* a kernel without it does not stop us */
    enum err err = authenticate(client);
    if (err == ERR_OK)
        err = select_db(client);
    if (err == ERR_OK)
        err = redis_ping(client); /* a server that wants a password we lack answers NOAUTH here */
    if (err != ERR_OK)
        redis_client_disconnect(client);
    return err == ERR_SYNTAX || err == ERR_IO ? ERR_UNAVAILABLE : err;
}

enum err redis_ping(struct redis_client *client)
{
    struct command command = {.count = 0};

    command_text(&command, "PING");
    return call_for_effect(client, &command);
}

/* --- streams --- */

enum err redis_group_ensure(struct redis_client *client, const struct redis_group *group)
{
    struct command command = {.count = 0};

    command_text(&command, "XGROUP");
    command_text(&command, "CREATE");
    command_text(&command, group->stream);
    command_text(&command, group->group);
    command_text(&command, "0");
    command_text(&command, "MKSTREAM");
    enum err err = call_for_effect(client, &command);
    if (err == ERR_IO && strstr(client->problem, "BUSYGROUP"))
        return ERR_OK;
    return err;
}

void redis_entries_release(struct redis_entries *entries)
{
    free(entries->items);
    if (entries->reply)
        freeReplyObject(entries->reply);
    *entries = (struct redis_entries){.items = NULL};
}

static bool is_array(const redisReply *reply, size_t least)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

static bool is_string(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_STRING;
}

/* [id, [field, value, ...]]; nil instead of the fields when the entry was trimmed. The last `event` field
 * counts. */
static bool read_entry(const redisReply *reply, struct redis_entry *entry)
{
    if (!is_array(reply, 2) || !is_string(reply->element[0]) || reply->element[0]->len >= REDIS_ID_SIZE)
        return false;
    *entry = (struct redis_entry){.id = reply->element[0]->str};
    const redisReply *fields = reply->element[1];
    if (fields->type == REDIS_REPLY_NIL) {
        entry->trimmed = true;
        return true;
    }
    if (!is_array(fields, 0))
        return false;
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const redisReply *name = fields->element[i], *value = fields->element[i + 1];
        if (!is_string(name) || !is_string(value))
            return false;
        if (name->len == 5 && memcmp(name->str, "event", 5) == 0) {
            entry->has_event = true;
            entry->event = (struct slice){value->str, value->len};
        }
    }
    return true;
}

/* Takes `reply` over, in every case. `list` lies within it. */
static enum err read_entries(struct redis_client *client, redisReply *reply, const redisReply *list,
                             struct redis_entries *ret_entries)
{
    struct redis_entries entries = {.reply = reply};

    if (!is_array(list, 0)) {
        redis_entries_release(&entries);
        return fail_form(client);
    }
    entries.items = calloc(list->elements ? list->elements : 1, sizeof *entries.items);
    if (!entries.items) {
        redis_entries_release(&entries);
        return fail(client, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    }
    for (size_t i = 0; i < list->elements; i++) {
        if (list->element[i]->type == REDIS_REPLY_NIL) /* XAUTOCLAIM of Redis 6.2: a trimmed entry */
            continue;
        if (!read_entry(list->element[i], &entries.items[entries.count])) {
            redis_entries_release(&entries);
            return fail_form(client);
        }
        entries.count++;
    }
    *ret_entries = entries;
    return ERR_OK;
}

/* XREADGROUP: nil when nothing came, else [[stream, [entry, ...]]]. */
static enum err read_group(struct redis_client *client, const struct redis_group *group, unsigned count,
                           unsigned block_ms, const char *from, struct redis_entries *ret_entries)
{
    struct command command = {.count = 0};
    redisReply *reply;

    command_text(&command, "XREADGROUP");
    command_text(&command, "GROUP");
    command_text(&command, group->group);
    command_text(&command, group->consumer);
    command_text(&command, "COUNT");
    command_number(&command, count);
    if (block_ms) { /* BLOCK 0 would wait for ever */
        command_text(&command, "BLOCK");
        command_number(&command, block_ms);
    }
    command_text(&command, "STREAMS");
    command_text(&command, group->stream);
    command_text(&command, from);
    enum err err = call(client, &command, block_ms, &reply);
    if (err != ERR_OK)
        return err;
    if (reply->type == REDIS_REPLY_NIL) {
        freeReplyObject(reply);
        *ret_entries = (struct redis_entries){.items = NULL};
        return ERR_OK;
    }
    const redisReply *list = NULL;
    if (is_array(reply, 1) && is_array(reply->element[0], 2))
        list = reply->element[0]->element[1];
    return read_entries(client, reply, list, ret_entries);
}

enum err redis_read_pending(struct redis_client *client, const struct redis_group *group, const char *after,
                            unsigned count, struct redis_entries *ret_entries)
{
    return read_group(client, group, count, 0, after, ret_entries);
}

enum err redis_read_new(struct redis_client *client, const struct redis_group *group, unsigned count,
                        unsigned block_ms, struct redis_entries *ret_entries)
{
    return read_group(client, group, count, block_ms, ">", ret_entries);
}

/* [next cursor, [entry, ...], [trimmed ids]]; the third since Redis 7. */
enum err redis_claim(struct redis_client *client, const struct redis_group *group, uint64_t min_idle_ms,
                     unsigned count, char *cursor, struct redis_entries *ret_entries)
{
    struct command command = {.count = 0};
    char next[REDIS_ID_SIZE];
    redisReply *reply;

    command_text(&command, "XAUTOCLAIM");
    command_text(&command, group->stream);
    command_text(&command, group->group);
    command_text(&command, group->consumer);
    command_number(&command, min_idle_ms);
    command_text(&command, cursor);
    command_text(&command, "COUNT");
    command_number(&command, count);
    enum err err = call(client, &command, 0, &reply);
    if (err != ERR_OK)
        return err;
    if (!is_array(reply, 2) || !is_string(reply->element[0]) || reply->element[0]->len >= sizeof next) {
        freeReplyObject(reply);
        return fail_form(client);
    }
    memcpy(next, reply->element[0]->str, reply->element[0]->len + 1);
    err = read_entries(client, reply, reply->element[1], ret_entries);
    if (err == ERR_OK)
        memcpy(cursor, next, sizeof next);
    return err;
}

enum err redis_ack(struct redis_client *client, const struct redis_group *group, const char *const *ids,
                   size_t count)
{
    while (count > 0) {
        struct command command = {.count = 0};
        size_t part = count < COMMAND_ARGS_MAX - 3 ? count : COMMAND_ARGS_MAX - 3;

        command_text(&command, "XACK");
        command_text(&command, group->stream);
        command_text(&command, group->group);
        for (size_t i = 0; i < part; i++)
            command_text(&command, ids[i]);
        enum err err = call_for_effect(client, &command);
        if (err != ERR_OK)
            return err;
        ids += part;
        count -= part;
    }
    return ERR_OK;
}

enum err redis_add(struct redis_client *client, const char *stream, uint64_t max,
                   const struct redis_field *fields, size_t count)
{
    struct command command = {.count = 0};

    command_text(&command, "XADD");
    command_text(&command, stream);
    command_text(&command, "MAXLEN");
    command_text(&command, "~");
    command_number(&command, max);
    command_text(&command, "*");
    for (size_t i = 0; i < count; i++) {
        command_text(&command, fields[i].name);
        command_slice(&command, fields[i].value);
    }
    return call_for_effect(client, &command);
}

/* --- Pub/Sub --- */

static bool is_push(const redisReply *reply, const char *kind, size_t elements)
{
    return is_array(reply, elements) && is_string(reply->element[0]) &&
           strcasecmp(reply->element[0]->str, kind) == 0;
}

/* One confirmation per pattern follows; redis.io, "Redis Pub/Sub". */
enum err redis_psubscribe(struct redis_client *client, const char *const *patterns, size_t count)
{
    struct command command = {.count = 0};
    redisReply *reply;

    command_text(&command, "PSUBSCRIBE");
    for (size_t i = 0; i < count && i < COMMAND_ARGS_MAX - 1; i++)
        command_text(&command, patterns[i]);
    enum err err = call(client, &command, 0, &reply);
    for (size_t i = 1; err == ERR_OK; i++) {
        /* A message may come between two confirmations; at most once by contract, and one lost here was
         * published before we had subscribed to everything. */
        bool confirmed = is_push(reply, "psubscribe", 3);
        bool good = confirmed || is_push(reply, "pmessage", 4);
        freeReplyObject(reply);
        if (!good) {
            redis_client_disconnect(client);
            return fail_form(client);
        }
        if (confirmed && i >= count)
            break;
        if (!confirmed)
            i--;
        void *next = NULL;
        errno = 0;
        if (redisGetReply(client->redis, &next) != REDIS_OK)
            return fail_connection(client);
        reply = next;
    }
    client->heard_ms = clock_monotonic_ms();
    client->probed_ms = 0;
    return err;
}

void redis_message_release(struct redis_message *message)
{
    if (message->reply)
        freeReplyObject(message->reply);
    *message = (struct redis_message){.reply = NULL};
}

/* ERR_OK with a message, ERR_BUSY when it was something else (a confirmation, a pong). */
static enum err take_push(struct redis_client *client, redisReply *reply, struct redis_message *ret_message)
{
    enum err err = ERR_BUSY;

    if (reply->type == REDIS_REPLY_ERROR) {
        err = fail_reply(client, reply);
    } else if (is_push(reply, "pmessage", 4) && is_string(reply->element[2]) &&
               is_string(reply->element[3])) {
        ret_message->channel = (struct slice){reply->element[2]->str, reply->element[2]->len};
        ret_message->payload = (struct slice){reply->element[3]->str, reply->element[3]->len};
        ret_message->reply = reply;
        return ERR_OK;
    }
    freeReplyObject(reply);
    return err;
}

/* RESP2 allows PING while subscribed and answers ["pong", ""]. */
static enum err probe(struct redis_client *client, uint64_t now)
{
    int done = 0;

    if (client->probed_ms) {
        if (now - client->probed_ms < client->command_timeout_ms)
            return ERR_OK;
        redis_client_disconnect(client);
        return fail(client, ERR_TIMEOUT, "no answer in time");
    }
    if (now - client->heard_ms < QUIET_MS)
        return ERR_OK;
    client->probed_ms = now;
    if (redisAppendCommand(client->redis, "PING") != REDIS_OK)
        return fail_connection(client);
    while (!done)
        if (redisBufferWrite(client->redis, &done) != REDIS_OK)
            return fail_connection(client);
    return ERR_OK;
}

/* Waits for bytes and reads what is there. ERR_BUSY: nothing came until `deadline`. */
static enum err read_more(struct redis_client *client, uint64_t deadline)
{
    uint64_t now = clock_monotonic_ms();
    enum err err = probe(client, now);

    if (err != ERR_OK)
        return err;
    struct pollfd fd = {.fd = client->redis->fd, .events = POLLIN};
    int ready = poll(&fd, 1, deadline > now ? (int)(deadline - now) : 0);
    if (ready <= 0)
        return ready == 0 || errno == EINTR ? ERR_BUSY : fail_connection(client);
    errno = 0;
    if (redisBufferRead(client->redis) != REDIS_OK)
        return fail_connection(client);
    client->heard_ms = clock_monotonic_ms();
    client->probed_ms = 0;
    return ERR_OK;
}

enum err redis_next_message(struct redis_client *client, unsigned timeout_ms,
                            struct redis_message *ret_message)
{
    uint64_t deadline = clock_monotonic_ms() + timeout_ms;

    if (!client->redis)
        return fail_connection(client);
    for (;;) {
        void *reply = NULL;
        if (redisGetReplyFromReader(client->redis, &reply) != REDIS_OK)
            return fail_connection(client);
        enum err err = reply ? take_push(client, reply, ret_message) : read_more(client, deadline);
        if (reply ? err != ERR_BUSY : err != ERR_OK)
            return err;
    }
}
