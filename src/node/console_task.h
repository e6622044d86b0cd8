/* A question about what the workers of this node hold: each does its part in its own thread, and whoever ends
 * the last part makes the answer of all.
 *
 * Thread: each worker writes to its own part only. */
#ifndef ROOMCAST_NODE_CONSOLE_TASK_H
#define ROOMCAST_NODE_CONSOLE_TASK_H

#include <stdatomic.h>

#include <roomcast/base/buffer.h>
#include <roomcast/wire/console_message.h>
#include <roomcast/wire/room_key.h>

struct console;

/* So much of what may be long is shown, per worker. */
#define CONSOLE_SLOW_MAX     10u
#define CONSOLE_MEMBERS_MAX  100u
#define CONSOLE_SESSIONS_MAX 32u
#define CONSOLE_ROOMS_MAX    32u /* of one session */
#define CONSOLE_HEAD_BYTES   (16u * 1024)

/* JSON objects, separated by commas; those that do not fit are left out, and no list takes from another. */
struct console_part {
    struct buffer first;  /* slow clients, members, sessions */
    struct buffer second; /* closes */
    uint64_t count;       /* of all there are, shown or not */
};

struct console_task {
    /* immutable */
    struct console *console; /* borrowed */
    enum console_kind kind;
    uint64_t id;
    char from[HEARTBEAT_INSTANCE_MAX + 1];
    struct room_key room;
    struct buffer head; /* members of the answer that the hub has given, each with a comma before it */
    unsigned parts_count;

    atomic_uint open; /* parts */
    struct console_part parts[];
};

/* The caller touches its part no more. The last answers and frees. Any thread. */
void console_task_end_part(struct console_task *task);

#endif
