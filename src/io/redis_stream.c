#include "redis_connection.h"

#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/text.h>

#include "redis_command.h"

#define FIELDS_MAX (64u << 10) /* bytes of the text that stands for an entry without `event` */
#define FIELDS_END 32u         /* beyond FIELDS_MAX, to close what is open */

enum err redis_group_ensure(struct redis_client *client, const struct redis_group *group)
{
    struct command command = {.count = 0};

    command_text(&command, "XGROUP");
    command_text(&command, "CREATE");
    command_text(&command, group->stream);
    command_text(&command, group->group);
    command_text(&command, "0");
    command_text(&command, "MKSTREAM");
    enum err err = redis_call_for_effect(client, &command);
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

static void append_string(struct buffer *out, const redisReply *reply, size_t end)
{
    struct slice rest = {reply->str, reply->len};
    char unit[TEXT_UNIT_SIZE];

    buffer_append_char(out, '"');
    while (rest.len > 0 && out->len < end) {
        size_t used = text_escape(rest, unit);
        buffer_append_text(out, unit);
        rest = (struct slice){rest.data + used, rest.len - used};
    }
    buffer_append_char(out, '"');
}

/* {"field":"value",...}: what the publisher sent instead of an event, for the dead letter. Cut when it is too
 * long, and even then JSON. */
static struct slice append_fields(struct buffer *out, const redisReply *fields)
{
    size_t start = out->len, end = start + FIELDS_MAX;

    buffer_append_char(out, '{');
    for (size_t i = 0; i + 1 < fields->elements && out->len < end; i += 2) {
        if (i > 0)
            buffer_append_char(out, ',');
        append_string(out, fields->element[i], end);
        buffer_append_char(out, ':');
        append_string(out, fields->element[i + 1], end);
    }
    buffer_append_char(out, '}');
    return (struct slice){NULL, out->len - start};
}

/* [id, [field, value, ...]]; nil instead of the fields when the entry was trimmed. The last `event` field
 * counts; without one, all fields stand in its place, in `texts` until adopt_texts(). */
static bool read_entry(const redisReply *reply, struct buffer *texts, struct redis_entry *entry)
{
    if (!redis_is_array(reply, 2) || !redis_is_string(reply->element[0]) ||
        reply->element[0]->len >= REDIS_ID_SIZE)
        return false;
    *entry = (struct redis_entry){.id = reply->element[0]->str};
    const redisReply *fields = reply->element[1];
    if (fields->type == REDIS_REPLY_NIL) {
        entry->trimmed = true;
        return true;
    }
    if (!redis_is_array(fields, 0))
        return false;
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        const redisReply *name = fields->element[i], *value = fields->element[i + 1];
        if (!redis_is_string(name) || !redis_is_string(value))
            return false;
        if (name->len == 5 && memcmp(name->str, "event", 5) == 0) {
            entry->has_event = true;
            entry->event = (struct slice){value->str, value->len};
        }
    }
    if (!entry->has_event)
        entry->event = append_fields(texts, fields);
    return true;
}

/* Moves the texts behind the entries, into one block with them. */
static bool adopt_texts(struct redis_entries *entries, const struct buffer *texts)
{
    size_t size = entries->count * sizeof *entries->items;

    if (texts->len == 0)
        return !buffer_failed(texts);
    void *block = buffer_failed(texts) ? NULL : realloc(entries->items, size + texts->len);
    if (!block)
        return false;
    entries->items = block;
    char *at = (char *)block + size;
    memcpy(at, texts->data, texts->len);
    for (size_t i = 0; i < entries->count; i++) {
        struct redis_entry *entry = &entries->items[i];
        if (entry->has_event || entry->trimmed)
            continue;
        entry->event.data = at;
        at += entry->event.len;
    }
    return true;
}

static enum err read_list(struct redis_client *client, const redisReply *list, struct buffer *texts,
                          struct redis_entries *entries)
{
    entries->items = calloc(list->elements ? list->elements : 1, sizeof *entries->items);
    if (!entries->items)
        return redis_fail(client, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    for (size_t i = 0; i < list->elements; i++) {
        if (list->element[i]->type == REDIS_REPLY_NIL) /* XAUTOCLAIM of Redis 6.2: a trimmed entry */
            continue;
        if (!read_entry(list->element[i], texts, &entries->items[entries->count]))
            return redis_fail_form(client);
        entries->count++;
    }
    if (!adopt_texts(entries, texts))
        return redis_fail(client, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    return ERR_OK;
}

/* Takes `reply` over, in every case. `list` lies within it. */
static enum err read_entries(struct redis_client *client, redisReply *reply, const redisReply *list,
                             struct redis_entries *ret_entries)
{
    struct redis_entries entries = {.reply = reply};

    if (!redis_is_array(list, 0)) {
        redis_entries_release(&entries);
        return redis_fail_form(client);
    }
    struct buffer texts;
    buffer_init(&texts, list->elements * (FIELDS_MAX + FIELDS_END));
    enum err err = read_list(client, list, &texts, &entries);
    buffer_fini(&texts);
    if (err == ERR_OK)
        *ret_entries = entries;
    else
        redis_entries_release(&entries);
    return err;
}

static void ask_group(struct command *command, const struct redis_group *group, unsigned count,
                      unsigned block_ms, const char *from)
{
    command_text(command, "XREADGROUP");
    command_text(command, "GROUP");
    command_text(command, group->group);
    command_text(command, group->consumer);
    command_text(command, "COUNT");
    command_number(command, count);
    if (block_ms) { /* BLOCK 0 would wait for ever */
        command_text(command, "BLOCK");
        command_number(command, block_ms);
    }
    command_text(command, "STREAMS");
    command_text(command, group->stream);
    command_text(command, from);
}

/* XREADGROUP's: nil when nothing came, else [[stream, [entry, ...]]]. Takes `reply` over. */
static enum err read_group(struct redis_client *client, redisReply *reply, struct redis_entries *ret_entries)
{
    if (reply->type == REDIS_REPLY_NIL) {
        freeReplyObject(reply);
        *ret_entries = (struct redis_entries){.items = NULL};
        return ERR_OK;
    }
    const redisReply *list = NULL;
    if (redis_is_array(reply, 1) && redis_is_array(reply->element[0], 2))
        list = reply->element[0]->element[1];
    return read_entries(client, reply, list, ret_entries);
}

enum err redis_read_pending(struct redis_client *client, const struct redis_group *group, const char *after,
                            unsigned count, struct redis_entries *ret_entries)
{
    struct command command = {.count = 0};
    redisReply *reply;

    ask_group(&command, group, count, 0, after);
    enum err err = redis_call(client, &command, 0, &reply);
    return err == ERR_OK ? read_group(client, reply, ret_entries) : err;
}

/* XPENDING's: [count, first, last, [[consumer, count], ...]], the list nil when there is none. */
static bool read_count(const redisReply *reply, const char *consumer, uint64_t *ret_pending)
{
    *ret_pending = 0;
    if (!redis_is_array(reply, 4))
        return false;
    const redisReply *consumers = reply->element[3];
    for (size_t i = 0; consumers->type == REDIS_REPLY_ARRAY && i < consumers->elements; i++) {
        const redisReply *pair = consumers->element[i];
        if (!redis_is_array(pair, 2) || !redis_is_string(pair->element[0]) ||
            !redis_is_string(pair->element[1]))
            return false;
        if (strcmp(pair->element[0]->str, consumer) == 0)
            *ret_pending = strtoull(pair->element[1]->str, NULL, 10);
    }
    return true;
}

enum err redis_read_new(struct redis_client *client, const struct redis_group *group, unsigned count,
                        unsigned block_ms, uint64_t *ret_pending, struct redis_entries *ret_entries)
{
    struct command read = {.count = 0}, look = {.count = 0};
    redisReply *entries, *pending;

    ask_group(&read, group, count, block_ms, ">");
    command_text(&look, "XPENDING");
    command_text(&look, group->stream);
    command_text(&look, group->group);
    enum err err = redis_call_both(client, &read, &look, block_ms, &entries, &pending);
    if (err != ERR_OK)
        return err;
    bool understood = read_count(pending, group->consumer, ret_pending);
    freeReplyObject(pending);
    if (!understood) {
        freeReplyObject(entries);
        return redis_fail_form(client);
    }
    return read_group(client, entries, ret_entries);
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
    enum err err = redis_call(client, &command, 0, &reply);
    if (err != ERR_OK)
        return err;
    if (!redis_is_array(reply, 2) || !redis_is_string(reply->element[0]) ||
        reply->element[0]->len >= sizeof next) {
        freeReplyObject(reply);
        return redis_fail_form(client);
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
        enum err err = redis_call_for_effect(client, &command);
        if (err != ERR_OK)
            return err;
        ids += part;
        count -= part;
    }
    return ERR_OK;
}

static void give_fields(struct command *command, const struct redis_field *fields, size_t count)
{
    command_text(command, "*");
    for (size_t i = 0; i < count; i++) {
        command_text(command, fields[i].name);
        command_slice(command, fields[i].value);
    }
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
    give_fields(&command, fields, count);
    return redis_call_for_effect(client, &command);
}

enum err redis_append(struct redis_client *client, const char *stream, const struct redis_field *fields,
                      size_t count, char *ret_id)
{
    struct command command = {.count = 0};
    redisReply *reply;

    command_text(&command, "XADD");
    command_text(&command, stream);
    give_fields(&command, fields, count);
    enum err err = redis_call(client, &command, 0, &reply);
    if (err != ERR_OK)
        return err;
    bool is_id = redis_is_string(reply) && reply->len < REDIS_ID_SIZE;
    if (is_id)
        memcpy(ret_id, reply->str, reply->len + 1);
    freeReplyObject(reply);
    return is_id ? ERR_OK : redis_fail_form(client);
}
