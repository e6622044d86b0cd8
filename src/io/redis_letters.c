/* Dead letters, for people. */
#include "redis_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "redis_command.h"

void redis_letters_release(struct redis_letters *letters)
{
    free(letters->items);
    if (letters->reply)
        freeReplyObject(letters->reply);
    *letters = (struct redis_letters){.items = NULL};
}

static bool is_named(const redisReply *name, const char *text)
{
    return name->len == strlen(text) && memcmp(name->str, text, name->len) == 0;
}

static bool read_letter(const redisReply *reply, struct redis_letter *letter)
{
    if (!redis_is_array(reply, 2) || !redis_is_string(reply->element[0]) ||
        reply->element[0]->len >= REDIS_ID_SIZE || !redis_is_array(reply->element[1], 0))
        return false;
    const redisReply *fields = reply->element[1];
    *letter = (struct redis_letter){.id = reply->element[0]->str};
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const redisReply *name = fields->element[i], *value = fields->element[i + 1];
        if (!redis_is_string(name) || !redis_is_string(value))
            return false;
        struct slice text = {value->str, value->len};
        if (is_named(name, "reason"))
            letter->reason = text;
        else if (is_named(name, "source"))
            letter->source = text;
        else if (is_named(name, "ts"))
            letter->ts = text;
        else if (is_named(name, "event"))
            letter->event = text;
        else if (is_named(name, "truncated"))
            letter->is_truncated = true;
    }
    return true;
}

/* Takes `reply` over. */
static enum err read_letters(struct redis_client *client, redisReply *reply,
                             struct redis_letters *ret_letters)
{
    struct redis_letters letters = {.reply = reply};
    enum err err = ERR_OK;
    if (!redis_is_array(reply, 0)) {
        redis_letters_release(&letters);
        return redis_fail_form(client);
    }
    letters.items = calloc(reply->elements ? reply->elements : 1, sizeof *letters.items);
    if (!letters.items)
        err = redis_fail(client, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    for (size_t i = 0; err == ERR_OK && i < reply->elements; i++) {
        if (!read_letter(reply->element[i], &letters.items[letters.count++]))
            err = redis_fail_form(client);
    }
    if (err == ERR_OK)
        *ret_letters = letters;
    else
        redis_letters_release(&letters);
    return err;
}

enum err redis_letters_before(struct redis_client *client, const char *stream, const char *before,
                              unsigned count, struct redis_letters *ret_letters)
{
    struct command range = {.count = 0}, length = {.count = 0};
    redisReply *list, *total;
    char end[REDIS_ID_SIZE + 1];
    snprintf(end, sizeof end, "%s%s", before[0] ? "(" : "+", before);
    command_text(&range, "XREVRANGE");
    command_text(&range, stream);
    command_text(&range, end);
    command_text(&range, "-");
    command_text(&range, "COUNT");
    command_number(&range, count);
    command_text(&length, "XLEN");
    command_text(&length, stream);
    enum err err = redis_call_both(client, &range, &length, 0, &list, &total);
    if (err != ERR_OK)
        return err;
    uint64_t entries =
        total->type == REDIS_REPLY_INTEGER && total->integer > 0 ? (uint64_t)total->integer : 0;
    freeReplyObject(total);
    err = read_letters(client, list, ret_letters);
    if (err == ERR_OK)
        ret_letters->total = entries;
    return err;
}

enum err redis_letter(struct redis_client *client, const char *stream, const char *id,
                      struct redis_letters *ret_letters)
{
    struct command command = {.count = 0};
    redisReply *reply;
    command_text(&command, "XRANGE");
    command_text(&command, stream);
    command_text(&command, id);
    command_text(&command, id);
    enum err err = redis_call(client, &command, 0, &reply);
    return err == ERR_OK ? read_letters(client, reply, ret_letters) : err;
}

/* A script runs as one (redis.io, EVAL): whoever else replays the same letter finds it gone. The event is
 * added before the letter goes, so that an error between the two, as for want of memory, loses nothing. */
static const char script[] = "local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) "
                             "if #found == 0 then return 'missing' end "
                             "local event = false "
                             "for i = 1, #found[1][2], 2 do "
                             "  if found[1][2][i] == 'truncated' then return 'truncated' end "
                             "  if found[1][2][i] == 'event' then event = found[1][2][i + 1] end "
                             "end "
                             "if not event then return 'missing' end "
                             "local added = redis.call('XADD', KEYS[2], '*', 'event', event) "
                             "redis.call('XDEL', KEYS[1], ARGV[1]) "
                             "return added";

enum err redis_letter_replay(struct redis_client *client, const char *dead_stream, const char *stream,
                             const char *id, enum redis_replayed *ret_replayed, char *ret_id)
{
    struct command command = {.count = 0};
    redisReply *reply;
    command_text(&command, "EVAL");
    command_text(&command, script);
    command_text(&command, "2");
    command_text(&command, dead_stream);
    command_text(&command, stream);
    command_text(&command, id);
    enum err err = redis_call(client, &command, 0, &reply);
    if (err != ERR_OK)
        return err;
    if (!redis_is_string(reply) || reply->len >= REDIS_ID_SIZE) {
        freeReplyObject(reply);
        return redis_fail_form(client);
    }
    *ret_replayed = is_named(reply, "missing")     ? REDIS_REPLAY_MISSING
                    : is_named(reply, "truncated") ? REDIS_REPLAY_TRUNCATED
                                                   : REDIS_REPLAYED;
    memcpy(ret_id, reply->str, reply->len + 1);
    freeReplyObject(reply);
    return ERR_OK;
}
