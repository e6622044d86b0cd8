/* What the relay needs of Redis, in its own words: streams with a consumer group, dead letters, Pub/Sub.
 *
 * Blocking, because a thread of its own per connection is the simple choice. Every wait has
 * an end: connecting, a command's reply, a blocking read. A client that failed with ERR_UNAVAILABLE or
 * ERR_TIMEOUT is disconnected; the caller connects again when it likes. Owns: its connection.   Thread: one
 * client belongs to one thread; redis_client_new and _free with it. Never logs; redis_client_problem() says
 * what went wrong, without user, password or message text. */
#ifndef ROOMCAST_IO_REDIS_CLIENT_H
#define ROOMCAST_IO_REDIS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#define REDIS_PROBLEM_SIZE 192
#define REDIS_ID_SIZE      48 /* of an entry id: two 64-bit numbers, '-' and NUL */

struct redis_client;

struct redis_options {
    const char *url; /* redis://[[user]:password@]host[:port][/db]; %XX in user and password; [v6] */
    unsigned connect_timeout_ms;
    unsigned command_timeout_ms; /* of one reply, beyond what a command was told to block */
};

/* Does not connect. ERR_CONFIG with `problem` (REDIS_PROBLEM_SIZE) when the URL cannot be understood. */
enum err redis_client_new(const struct redis_options *options, struct redis_client **ret_client,
                          char *problem) MUST_CHECK;
/* Accepts NULL, nulls. */
void redis_client_free(struct redis_client **client);

/* Connects, authenticates, selects the database; drops an earlier connection first. ERR_UNAVAILABLE;
 * ERR_FORBIDDEN: Redis refuses the credentials or the database. */
enum err redis_client_connect(struct redis_client *client) MUST_CHECK;
void redis_client_disconnect(struct redis_client *client);
bool redis_client_is_connected(const struct redis_client *client);
/* About the last call that failed: "connection refused". Never NULL. Borrowed until the next call. */
const char *redis_client_problem(const struct redis_client *client);
enum err redis_ping(struct redis_client *client) MUST_CHECK;

/* Errors of all below: ERR_UNAVAILABLE, ERR_TIMEOUT: disconnected. ERR_MISSING: no such stream or group
 * (Redis was emptied; make the group anew), but see redis_next_message(). ERR_SYNTAX: a reply of another form
 * than documented. ERR_IO: any other error reply, as when Redis is out of memory, read-only or loading.
 * ERR_NO_MEMORY. */

struct redis_group {
    const char *stream, *group, *consumer;
};
/* Makes stream and group when they are absent. The group begins at the start of the stream ("0"), so that
 * what was published before the relay's first start is read, not lost. */
enum err redis_group_ensure(struct redis_client *client, const struct redis_group *group) MUST_CHECK;

struct redis_entry {
    const char *id;
    bool trimmed;       /* gone from the stream, only its id is left */
    bool has_event;     /* it has a field `event` */
    struct slice event; /* its value; without such a field all fields as a JSON object, for the dead letter */
};
struct redis_entries {
    struct redis_entry *items; /* owned; what they point to too */
    size_t count;
    void *reply;
};
void redis_entries_release(struct redis_entries *entries);

/* Own entries that were delivered and never acknowledged, with ids above `after` ("0" for the first). */
enum err redis_read_pending(struct redis_client *client, const struct redis_group *group, const char *after,
                            unsigned count, struct redis_entries *ret_entries) MUST_CHECK;
/* New entries; waits up to `block_ms` (0: not at all) for the first. None is no error. `ret_pending`: how
 * many entries the consumer has then that are not acknowledged, these included (XPENDING, in the same round
 * trip).
 */
enum err redis_read_new(struct redis_client *client, const struct redis_group *group, unsigned count,
                        unsigned block_ms, uint64_t *ret_pending,
                        struct redis_entries *ret_entries) MUST_CHECK;
/* Takes over entries that no consumer has touched for `min_idle_ms` (XAUTOCLAIM; Redis >= 6.2). `cursor`
 * (REDIS_ID_SIZE) goes in and out, "0-0" at the start and again when the whole list was seen. */
enum err redis_claim(struct redis_client *client, const struct redis_group *group, uint64_t min_idle_ms,
                     unsigned count, char *cursor, struct redis_entries *ret_entries) MUST_CHECK;
/* Acknowledges all ids in one round trip. */
enum err redis_ack(struct redis_client *client, const struct redis_group *group, const char *const *ids,
                   size_t count) MUST_CHECK;

struct redis_lag {
    uint64_t entries;   /* not acknowledged: delivered, and (as Redis 7 tells, not before) not even that */
    uint64_t oldest_ms; /* when the oldest of them was added, Unix ms by Redis' clock; 0: there is none */
};
/* Three commands in two round trips, none of which grows with the stream. */
enum err redis_group_lag(struct redis_client *client, const struct redis_group *group,
                         struct redis_lag *ret_lag) MUST_CHECK;

struct redis_field {
    const char *name;
    struct slice value;
};
/* XADD stream MAXLEN ~ max * ... */
enum err redis_add(struct redis_client *client, const char *stream, uint64_t max,
                   const struct redis_field *fields, size_t count) MUST_CHECK;

/* XADD stream * ...: nothing is trimmed, that is the reader's affair. `ret_id` (REDIS_ID_SIZE): the entry's.
 */
enum err redis_append(struct redis_client *client, const char *stream, const struct redis_field *fields,
                      size_t count, char *ret_id) MUST_CHECK;
/* Dead letters, as dead_letter_write() of the relay adds them. */
struct redis_letter {
    const char *id;
    struct slice reason, source, ts, event; /* empty where it has none */
    bool is_truncated;
};
struct redis_letters {
    struct redis_letter *items; /* owned; their texts lie in `reply` */
    size_t count;
    uint64_t total; /* entries of the stream: redis_letters_before() */
    void *reply;    /* owned */
};
/* Due after the next two have succeeded. */
void redis_letters_release(struct redis_letters *letters);
/* The newest with ids below `before` ("": all), the newest first. */
enum err redis_letters_before(struct redis_client *client, const char *stream, const char *before,
                              unsigned count, struct redis_letters *ret_letters) MUST_CHECK;
/* That one, or none. */
enum err redis_letter(struct redis_client *client, const char *stream, const char *id,
                      struct redis_letters *ret_letters) MUST_CHECK;
enum redis_replayed { REDIS_REPLAYED, REDIS_REPLAY_MISSING, REDIS_REPLAY_TRUNCATED };
/* Adds the letter's event to `stream` and removes the letter, both or neither, in one script (EVAL).
 * REDIS_REPLAYED: `ret_id` (REDIS_ID_SIZE) is the event's entry. The others: nothing was done; it is gone, or
 * not kept whole. */
enum err redis_letter_replay(struct redis_client *client, const char *dead_stream, const char *stream,
                             const char *id, enum redis_replayed *ret_replayed, char *ret_id) MUST_CHECK;

/* Tells those who are subscribed to `channel` now. */
enum err redis_publish(struct redis_client *client, const char *channel, struct slice payload) MUST_CHECK;
/* This client then only receives, until redis_next_message() says ERR_MISSING or it is disconnected. */
enum err redis_psubscribe(struct redis_client *client, const char *const *patterns, size_t count) MUST_CHECK;
struct redis_message {
    struct slice channel, payload;
    void *reply;
};
/* Asks for no more messages. Those that Redis has sent by then still come, then ERR_MISSING. */
enum err redis_punsubscribe(struct redis_client *client) MUST_CHECK;
/* Waits up to `timeout_ms` for a message. ERR_BUSY: none came; ERR_MISSING: none will. A silent connection is
 * probed with PING; one that does not answer within the command timeout is ERR_TIMEOUT. */
enum err redis_next_message(struct redis_client *client, unsigned timeout_ms,
                            struct redis_message *ret_message) MUST_CHECK;
void redis_message_release(struct redis_message *message);

#endif
