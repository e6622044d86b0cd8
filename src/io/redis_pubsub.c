#include "redis_connection.h"

#include <errno.h>
#include <poll.h>
#include <strings.h>

#include <hiredis/hiredis.h>

#include <roomcast/base/clock.h>

#include "redis_command.h"

#define QUIET_MS 5000 /* a subscribed connection is probed after this much silence */

static bool is_push(const redisReply *reply, const char *kind, size_t elements)
{
    return redis_is_array(reply, elements) && redis_is_string(reply->element[0]) &&
           strcasecmp(reply->element[0]->str, kind) == 0;
}

enum err redis_publish(struct redis_client *client, const char *channel, struct slice payload)
{
    struct command command = {.count = 0};

    command_text(&command, "PUBLISH");
    command_text(&command, channel);
    command_slice(&command, payload);
    return redis_call_for_effect(client, &command);
}

/* One confirmation per pattern follows; redis.io, "Redis Pub/Sub". */
enum err redis_psubscribe(struct redis_client *client, const char *const *patterns, size_t count)
{
    struct command command = {.count = 0};
    redisReply *reply;

    command_text(&command, "PSUBSCRIBE");
    for (size_t i = 0; i < count && i < COMMAND_ARGS_MAX - 1; i++)
        command_text(&command, patterns[i]);
    enum err err = redis_call(client, &command, 0, &reply);
    for (size_t i = 1; err == ERR_OK; i++) {
        /* A message may come between two confirmations; at most once by contract, and one lost here was
         * published before we had subscribed to everything. */
        bool confirmed = is_push(reply, "psubscribe", 3);
        bool good = confirmed || is_push(reply, "pmessage", 4);
        freeReplyObject(reply);
        if (!good) {
            redis_client_disconnect(client);
            return redis_fail_form(client);
        }
        if (confirmed && i >= count)
            break;
        if (!confirmed)
            i--;
        void *next = NULL;
        errno = 0;
        if (redisGetReply(client->redis, &next) != REDIS_OK)
            return redis_fail_connection(client);
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

/* The last confirmation of PUNSUBSCRIBE says that nothing is left; redis.io, "Redis Pub/Sub". */
static bool is_end(const redisReply *reply)
{
    return is_push(reply, "punsubscribe", 3) && reply->element[2]->type == REDIS_REPLY_INTEGER &&
           reply->element[2]->integer == 0;
}

/* ERR_OK with a message, ERR_MISSING when there will be no more, ERR_BUSY when it was something else (a
 * confirmation, a pong). */
static enum err take_push(struct redis_client *client, redisReply *reply, struct redis_message *ret_message)
{
    enum err err = ERR_BUSY;

    if (reply->type == REDIS_REPLY_ERROR) {
        err = redis_fail_reply(client, reply);
    } else if (is_push(reply, "pmessage", 4) && redis_is_string(reply->element[2]) &&
               redis_is_string(reply->element[3])) {
        ret_message->channel = (struct slice){reply->element[2]->str, reply->element[2]->len};
        ret_message->payload = (struct slice){reply->element[3]->str, reply->element[3]->len};
        ret_message->reply = reply;
        return ERR_OK;
    } else if (is_end(reply)) {
        err = ERR_MISSING;
    }
    freeReplyObject(reply);
    return err;
}

/* Its answer comes among the messages. */
static enum err send_only(struct redis_client *client, const char *command)
{
    int done = 0;

    if (redisAppendCommand(client->redis, command) != REDIS_OK)
        return redis_fail_connection(client);
    while (!done)
        if (redisBufferWrite(client->redis, &done) != REDIS_OK)
            return redis_fail_connection(client);
    return ERR_OK;
}

enum err redis_punsubscribe(struct redis_client *client)
{
    return client->redis ? send_only(client, "PUNSUBSCRIBE") : redis_fail_connection(client);
}

/* RESP2 allows PING while subscribed and answers ["pong", ""]. */
static enum err probe(struct redis_client *client, uint64_t now)
{
    if (client->probed_ms) {
        if (now - client->probed_ms < client->command_timeout_ms)
            return ERR_OK;
        redis_client_disconnect(client);
        return redis_fail(client, ERR_TIMEOUT, "no answer in time");
    }
    if (now - client->heard_ms < QUIET_MS)
        return ERR_OK;
    client->probed_ms = now;
    return send_only(client, "PING");
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
        return ready == 0 || errno == EINTR ? ERR_BUSY : redis_fail_connection(client);
    errno = 0;
    if (redisBufferRead(client->redis) != REDIS_OK)
        return redis_fail_connection(client);
    client->heard_ms = clock_monotonic_ms();
    client->probed_ms = 0;
    return ERR_OK;
}

enum err redis_next_message(struct redis_client *client, unsigned timeout_ms,
                            struct redis_message *ret_message)
{
    uint64_t deadline = clock_monotonic_ms() + timeout_ms;

    if (!client->redis)
        return redis_fail_connection(client);
    for (;;) {
        void *reply = NULL;
        if (redisGetReplyFromReader(client->redis, &reply) != REDIS_OK)
            return redis_fail_connection(client);
        enum err err = reply ? take_push(client, reply, ret_message) : read_more(client, deadline);
        if (reply ? err != ERR_BUSY : err != ERR_OK)
            return err;
    }
}
