#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "redis_connection.h"

#include "fuzz.h"

#define REPLY_MAX (64 * 1024) /* bytes; a socket takes that many at once */

static const struct redis_group group = {.stream = "s", .group = "g", .consumer = "c"};

/* A client that hears `bytes` from its server, and then that it has gone. */
static int connect_to(struct redis_client *client, struct slice bytes)
{
    int ends[2];

    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    must(bytes.len == 0 || write(ends[1], bytes.data, bytes.len) == (ssize_t)bytes.len);
    must(shutdown(ends[1], SHUT_WR) == 0);
    client->redis = redisConnectFd(ends[0]);
    must(client->redis != NULL);
    return ends[1];
}

/* Reads every byte, so that a sanitizer sees them. */
static unsigned sum(struct slice text)
{
    unsigned total = 0;

    for (size_t at = 0; at < text.len; at++)
        total += (unsigned char)text.data[at];
    return total;
}

static void check_entries(enum err err, struct redis_entries *entries)
{
    if (err != ERR_OK)
        return;
    for (size_t i = 0; i < entries->count; i++) {
        const struct redis_entry *entry = &entries->items[i];
        must(strlen(entry->id) < REDIS_ID_SIZE);
        must(!entry->trimmed || (!entry->has_event && entry->event.len == 0));
        if (!entry->trimmed && !entry->has_event) /* the dead letter: always an object */
            must(entry->event.data[0] == '{' && entry->event.data[entry->event.len - 1] == '}');
        (void)sum(entry->event);
    }
    redis_entries_release(entries);
}

static void read_messages(struct redis_client *client)
{
    static const char *const patterns[] = {"events.*", "events:*"};
    struct redis_message message;

    if (redis_psubscribe(client, patterns, 2) != ERR_OK)
        return;
    while (redis_next_message(client, 0, &message) == ERR_OK) {
        (void)(sum(message.channel) + sum(message.payload));
        redis_message_release(&message);
    }
}

static void ask(struct redis_client *client, unsigned what)
{
    struct redis_entries entries = {.items = NULL};
    char cursor[REDIS_ID_SIZE] = "0-0";
    uint64_t pending;

    switch (what % 5) {
    case 0:
        check_entries(redis_read_pending(client, &group, "0", 10, &entries), &entries);
        break;
    case 1:
        check_entries(redis_read_new(client, &group, 10, 0, &pending, &entries), &entries);
        break;
    case 2:
        check_entries(redis_claim(client, &group, 1000, 10, cursor, &entries), &entries);
        must(strnlen(cursor, sizeof cursor) < sizeof cursor);
        break;
    case 3:
        (void)!redis_group_ensure(client, &group);
        break;
    default:
        read_messages(client);
    }
}

/* The first byte chooses the question, the others are what Redis answers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct redis_client client = {.command_timeout_ms = 1000};

    if (size == 0 || size > REPLY_MAX)
        return 0;
    int peer = connect_to(&client, fuzz_slice(data + 1, size - 1));
    ask(&client, data[0]);
    must(strnlen(redis_client_problem(&client), REDIS_PROBLEM_SIZE) < REDIS_PROBLEM_SIZE);
    redis_client_disconnect(&client);
    close(peer);
    return 0;
}
