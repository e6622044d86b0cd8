/* How far a consumer group is behind its stream. */
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "redis_command.h"
#include "redis_connection.h"

/* The part of an entry id before '-': when it was added, Unix ms by Redis' clock (redis.io, XADD). 0: no id.
 */
static uint64_t time_of(const redisReply *id)
{
    return redis_is_string(id) ? strtoull(id->str, NULL, 10) : 0;
}

/* The value of a member of a map that came as a list of names and values; NULL: there is none. */
static const redisReply *find_member(const redisReply *map, const char *name)
{
    for (size_t at = 0; redis_is_array(map, 2) && at + 1 < map->elements; at += 2) {
        if (redis_is_string(map->element[at]) && strcmp(map->element[at]->str, name) == 0)
            return map->element[at + 1];
    }
    return NULL;
}

static const redisReply *find_group(const redisReply *groups, const char *name)
{
    for (size_t at = 0; redis_is_array(groups, 1) && at < groups->elements; at++) {
        const redisReply *found = find_member(groups->element[at], "name");
        if (redis_is_string(found) && strcmp(found->str, name) == 0)
            return groups->element[at];
    }
    return NULL;
}

static enum err ask_group(struct redis_client *client, const struct redis_group *group,
                          redisReply **ret_groups, redisReply **ret_pending)
{
    struct command look = {.count = 0}, pending = {.count = 0};
    command_text(&look, "XINFO");
    command_text(&look, "GROUPS");
    command_text(&look, group->stream);
    command_text(&pending, "XPENDING");
    command_text(&pending, group->stream);
    command_text(&pending, group->group);
    /* This order: of a missing group XPENDING says so in a word that is known. */
    return redis_call_both(client, &pending, &look, 0, ret_pending, ret_groups);
}

/* When the first entry above `last_id` was added; 0: there is none. */
static enum err ask_first_unread(struct redis_client *client, const struct redis_group *group,
                                 const char *last_id, uint64_t *ret_ms)
{
    char above[REDIS_ID_SIZE + 1];
    struct command range = {.count = 0};
    redisReply *reply;
    snprintf(above, sizeof above, "(%s", last_id);
    command_text(&range, "XRANGE");
    command_text(&range, group->stream);
    command_text(&range, above);
    command_text(&range, "+");
    command_text(&range, "COUNT");
    command_text(&range, "1");
    enum err err = redis_call(client, &range, 0, &reply);
    if (err != ERR_OK)
        return err;
    *ret_ms = redis_is_array(reply, 1) && redis_is_array(reply->element[0], 1)
                  ? time_of(reply->element[0]->element[0])
                  : 0;
    freeReplyObject(reply);
    return ERR_OK;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Everything but what is unread. `ret_last_id`: REDIS_ID_SIZE. */
static bool read_group(const redisReply *groups, const redisReply *pending, const char *name,
                       struct redis_lag *ret_lag, char *ret_last_id)
{
    const redisReply *group = find_group(groups, name), *last_id = find_member(group, "last-delivered-id");
    const redisReply *unread = find_member(group, "lag"); /* since Redis 7; nil when it cannot tell */
    if (!redis_is_string(last_id) || last_id->len >= REDIS_ID_SIZE || !redis_is_array(pending, 2) ||
        pending->element[0]->type != REDIS_REPLY_INTEGER)
        return false;
    memcpy(ret_last_id, last_id->str, last_id->len + 1);
    ret_lag->entries = (uint64_t)pending->element[0]->integer;
    if (unread && unread->type == REDIS_REPLY_INTEGER && unread->integer > 0)
        ret_lag->entries += (uint64_t)unread->integer;
    ret_lag->oldest_ms = time_of(pending->element[1]);
    return true;
}

enum err redis_group_lag(struct redis_client *client, const struct redis_group *group,
                         struct redis_lag *ret_lag)
{
    char last_id[REDIS_ID_SIZE];
    redisReply *groups, *pending;
    uint64_t unread_ms;
    enum err err = ask_group(client, group, &groups, &pending);
    if (err != ERR_OK)
        return err;
    bool understood = read_group(groups, pending, group->group, ret_lag, last_id);
    freeReplyObject(groups);
    freeReplyObject(pending);
    if (!understood)
        return redis_fail_form(client);
    err = ask_first_unread(client, group, last_id, &unread_ms);
    if (err == ERR_OK)
        ret_lag->oldest_ms = sooner(ret_lag->oldest_ms, unread_ms);
    return err;
}
