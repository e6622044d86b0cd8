#include "redis_connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <roomcast/base/random.h>

#include "redis_command.h"

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

enum err redis_fail(struct redis_client *client, enum err err, const char *problem)
{
    snprintf(client->problem, sizeof client->problem, "%s", problem);
    return err;
}

enum err redis_fail_connection(struct redis_client *client)
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
enum err redis_fail_reply(struct redis_client *client, const redisReply *reply)
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

enum err redis_fail_form(struct redis_client *client)
{
    return redis_fail(client, ERR_SYNTAX, "Redis answered in an unexpected form");
}

bool redis_is_array(const redisReply *reply, size_t least)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

bool redis_is_string(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_STRING;
}

enum err redis_call(struct redis_client *client, struct command *command, unsigned block_ms,
                    redisReply **ret_reply)
{
    if (!client->redis)
        return redis_fail_connection(client);
    errno = 0;
    if (redisSetTimeout(client->redis, as_timeval((uint64_t)client->command_timeout_ms + block_ms)) !=
        REDIS_OK)
        return redis_fail_connection(client);
    redisReply *reply = redisCommandArgv(client->redis, command->count, command->args, command->lens);
    if (!reply)
        return redis_fail_connection(client);
    if (reply->type == REDIS_REPLY_ERROR) {
        enum err err = redis_fail_reply(client, reply);
        freeReplyObject(reply);
        return err;
    }
    *ret_reply = reply;
    return ERR_OK;
}

enum err redis_call_both(struct redis_client *client, struct command *first, struct command *second,
                         unsigned block_ms, redisReply **ret_first, redisReply **ret_second)
{
    void *replies[2] = {NULL, NULL};

    if (!client->redis)
        return redis_fail_connection(client);
    errno = 0;
    bool failed =
        redisSetTimeout(client->redis, as_timeval((uint64_t)client->command_timeout_ms + block_ms)) !=
            REDIS_OK ||
        redisAppendCommandArgv(client->redis, first->count, first->args, first->lens) != REDIS_OK ||
        redisAppendCommandArgv(client->redis, second->count, second->args, second->lens) != REDIS_OK ||
        redisGetReply(client->redis, &replies[0]) != REDIS_OK ||
        redisGetReply(client->redis, &replies[1]) != REDIS_OK;
    enum err err = failed ? redis_fail_connection(client) : ERR_OK;
    for (int i = 0; i < 2 && err == ERR_OK; i++) {
        const redisReply *reply = replies[i];
        if (reply->type == REDIS_REPLY_ERROR)
            err = redis_fail_reply(client, reply);
    }
    if (err == ERR_OK) {
        *ret_first = replies[0];
        *ret_second = replies[1];
        return ERR_OK;
    }
    freeReplyObject(replies[0]);
    freeReplyObject(replies[1]);
    return err;
}

enum err redis_call_for_effect(struct redis_client *client, struct command *command)
{
    redisReply *reply;
    enum err err = redis_call(client, command, 0, &reply);

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
    enum err err = redis_call_for_effect(client, &command);
    if (err == ERR_IO || err == ERR_FORBIDDEN) /* whatever Redis said may quote what it was sent */
        return redis_fail(client, ERR_FORBIDDEN, "Redis refuses the user or the password");
    return err;
}

static enum err select_db(struct redis_client *client)
{
    struct command command = {.count = 0};

    if (client->url.db == 0)
        return ERR_OK;
    command_text(&command, "SELECT");
    command_number(&command, client->url.db);
    return redis_call_for_effect(client, &command);
}

enum err redis_client_connect(struct redis_client *client)
{
    redis_client_disconnect(client);
    client->redis =
        redisConnectWithTimeout(client->url.host, client->url.port, as_timeval(client->connect_timeout_ms));
    if (!client->redis)
        return redis_fail(client, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    if (client->redis->err)
        return redis_fail_connection(client);
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
    return redis_call_for_effect(client, &command);
}
