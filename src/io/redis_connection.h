/* What the parts of redis_client.h share: the connection, one command and its reply, and how a failure is
 * told.
 *
 * Thread: the client's. Functions that fail say why in redis_client_problem(). */
#ifndef ROOMCAST_IO_REDIS_CONNECTION_H
#define ROOMCAST_IO_REDIS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/io/redis_client.h>

#include "redis_url.h"

struct command;
struct redisContext;
struct redisReply;

struct redis_client {
    struct redis_url url;
    unsigned connect_timeout_ms, command_timeout_ms;
    struct redisContext *redis;   /* owned; NULL while disconnected */
    uint64_t heard_ms, probed_ms; /* monotonic, subscribed: last bytes, open PING (0: none) */
    char problem[REDIS_PROBLEM_SIZE];
};

/* Sends a command and waits for its reply; `block_ms` is what the command itself was told to wait. The reply
 * is the caller's, and no error reply. */
enum err redis_call(struct redis_client *client, struct command *command, unsigned block_ms,
                    struct redisReply **ret_reply) MUST_CHECK;
/* Both in one round trip, waiting as long as redis_call() for each. */
enum err redis_call_both(struct redis_client *client, struct command *first, struct command *second,
                         unsigned block_ms, struct redisReply **ret_first,
                         struct redisReply **ret_second) MUST_CHECK;
enum err redis_call_for_effect(struct redis_client *client, struct command *command) MUST_CHECK;

/* Each notes the problem and returns the error that tells it. */

enum err redis_fail(struct redis_client *client, enum err err, const char *problem) MUST_CHECK;
/* After a failed call of hiredis or the system, with its errno. Disconnects: the connection is of no use any
 * more, a reply that comes late would be taken for the next command's. */
enum err redis_fail_connection(struct redis_client *client) MUST_CHECK;
/* `reply` is an error reply and stays the caller's. */
enum err redis_fail_reply(struct redis_client *client, const struct redisReply *reply) MUST_CHECK;
/* A reply of another form than documented. */
enum err redis_fail_form(struct redis_client *client) MUST_CHECK;

/* Accept NULL. */
bool redis_is_array(const struct redisReply *reply, size_t least);
bool redis_is_string(const struct redisReply *reply);

#endif
