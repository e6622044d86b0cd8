/* What this node answers when it is asked. */
#include "console_internal.h"

#include <stdlib.h>
#include <string.h>

#include <roomcast/base/log.h>
#include <roomcast/wire/subject.h>

enum err console_send(struct console *console, const char *to, const struct console_message *message)
{
    struct node *node = console->node;
    char subject[SUBJECT_SIZE];
    struct buffer encoded;
    if (strcmp(to, node->shared.instance) == 0) { /* also while it is cut off: then above all */
        if (message->kind == CONSOLE_ANSWER)
            console_on_answer(console, message);
        else
            console_serve(console, message);
        return ERR_OK;
    }
    buffer_init(&encoded, CONSOLE_MAX_BYTES);
    subject_format_console(node->shared.config->nats_prefix, slice_of(to), subject);
    enum err err = console_encode(message, &encoded);
    if (err == ERR_OK)
        err = bus_publish(node->bus, subject, buffer_slice(&encoded));
    buffer_fini(&encoded);
    return err;
}

/* To the instance `from`, which has asked by that id. */
static void answer(struct console *console, struct slice from, uint64_t id, unsigned status,
                   struct slice body)
{
    char to[HEARTBEAT_INSTANCE_MAX + 1];
    const struct console_message message = {
        .id = id,
        .kind = CONSOLE_ANSWER,
        .status = status,
        .from = slice_of(console->node->shared.instance),
        .body = body,
    };
    snprintf(to, sizeof to, "%.*s", (int)from.len, from.data);
    if (console_send(console, to, &message) != ERR_OK) /* who asked is told that nothing came in time */
        log_debug("console_answer_not_sent", LOG_TEXT("to", to));
}

static void refuse(struct console *console, const struct console_message *question, unsigned status,
                   const char *problem)
{
    struct buffer body;
    buffer_init(&body, 2048);
    console_write_problem(problem, &body);
    answer(console, question->from, question->id, status, buffer_slice(&body));
    buffer_fini(&body);
}

/* --- what the workers are asked for --- */

static const struct {
    const char *first, *second; /* names of the lists; NULL: there is none */
} lists[] = {
    [CONSOLE_LIVE] = {"slow", "closes"},
    [CONSOLE_ROOM] = {"sessions", NULL},
    [CONSOLE_USER] = {"sessions", NULL},
    [CONSOLE_DISCONNECT] = {NULL, NULL},
};

static void task_free(struct console_task *task)
{
    for (unsigned i = 0; i < task->parts_count; i++) {
        buffer_fini(&task->parts[i].first);
        buffer_fini(&task->parts[i].second);
    }
    buffer_fini(&task->head);
    free(task);
}

static void write_list(const struct console_task *task, const char *name, bool is_second, struct buffer *out)
{
    bool is_empty = true;
    if (!name)
        return;
    buffer_appendf(out, ",\"%s\":[", name);
    for (unsigned i = 0; i < task->parts_count; i++) {
        const struct buffer *part = is_second ? &task->parts[i].second : &task->parts[i].first;
        if (part->len == 0)
            continue;
        if (!is_empty)
            buffer_append_char(out, ',');
        buffer_append_slice(out, buffer_slice(part));
        is_empty = false;
    }
    buffer_append_char(out, ']');
}

static void finish(struct console_task *task)
{
    struct buffer body;
    uint64_t count = 0;
    for (unsigned i = 0; i < task->parts_count; i++)
        count += task->parts[i].count;
    buffer_init(&body, CONSOLE_BODY_MAX);
    buffer_appendf(&body, "{\"count\":%llu", (unsigned long long)count);
    buffer_append_slice(&body, buffer_slice(&task->head));
    write_list(task, lists[task->kind].first, false, &body);
    write_list(task, lists[task->kind].second, true, &body);
    buffer_append_char(&body, '}');
    if (buffer_failed(&body) || buffer_failed(&task->head)) /* all that there may be has room */
        answer(task->console, slice_of(task->from), task->id, 503,
               SLICE_LITERAL("{\"problem\":\"out of memory\"}"));
    else
        answer(task->console, slice_of(task->from), task->id, 200, buffer_slice(&body));
    buffer_fini(&body);
}

void console_task_end_part(struct console_task *task)
{
    if (atomic_fetch_sub(&task->open, 1) != 1)
        return;
    if (!atomic_load(&task->console->stopped))
        finish(task);
    task_free(task);
}

static struct console_task *task_new(struct console *console, const struct console_message *question)
{
    unsigned workers = console->node->workers_count;
    /* As much again as for the head is for what stands around the lists. */
    size_t part_bytes = (CONSOLE_BODY_MAX - 2 * CONSOLE_HEAD_BYTES) / (2 * workers);
    struct console_task *task = calloc(1, sizeof *task + workers * sizeof task->parts[0]);
    if (!task)
        return NULL;
    task->console = console;
    task->kind = question->kind;
    task->id = question->id;
    snprintf(task->from, sizeof task->from, "%.*s", (int)question->from.len, question->from.data);
    task->parts_count = workers;
    buffer_init(&task->head, CONSOLE_HEAD_BYTES);
    for (unsigned i = 0; i < workers; i++) {
        buffer_init(&task->parts[i].first, part_bytes);
        buffer_init(&task->parts[i].second, part_bytes);
    }
    atomic_init(&task->open, workers + 1); /* and the orders are given */
    return task;
}

static enum err read_room(const struct console_message *question, struct room_key *ret_room)
{
    switch (question->kind) {
    case CONSOLE_ROOM:
        return room_key_for_chat_text(question->about, ret_room);
    case CONSOLE_USER:
    case CONSOLE_DISCONNECT:
        return room_key_for_user(question->about, ret_room);
    default:
        return ERR_OK;
    }
}

static void ask_hub(struct console *console, struct console_task *task)
{
    struct hub *hub = console->node->hub;
    if (task->kind == CONSOLE_LIVE) {
        buffer_append_text(&task->head, ",\"rooms\":");
        hub_busiest(hub, HUB_BUSIEST_MAX, &task->head);
    } else if (task->kind == CONSOLE_ROOM) {
        hub_describe(hub, &task->room, &task->head);
    }
}

static void ask_workers(struct console *console, const struct console_message *question)
{
    struct room_key room = {.route = 0};
    if (read_room(question, &room) != ERR_OK) {
        refuse(console, question, 400,
               "no such id: a chat is a UUID, a user is 1 to 128 bytes of plain text");
        return;
    }
    struct console_task *task = task_new(console, question);
    if (!task) {
        refuse(console, question, 503, "out of memory");
        return;
    }
    task->room = room;
    ask_hub(console, task);
    const struct worker_order order = {.kind = ORDER_CONSOLE, .task = task};
    for (unsigned i = 0; i < task->parts_count; i++) {
        if (worker_give_order(console->node->workers[i], &order) != ERR_OK)
            console_task_end_part(task);
    }
    console_task_end_part(task);
}

static void drain(struct console *console, const struct console_message *question)
{
    struct node *node = console->node;
    char body[160];
    node_drain(node, "the console");
    int len = snprintf(body, sizeof body, "{\"draining\":true,\"count\":%u,\"spread_ms\":%llu}",
                       node_drain_clients(node), (unsigned long long)node_drain_spread_ms(node));
    answer(console, question->from, question->id, 202, (struct slice){body, (size_t)len});
}

void console_serve(struct console *console, const struct console_message *question)
{
    switch (question->kind) {
    case CONSOLE_LIVE:
    case CONSOLE_ROOM:
    case CONSOLE_USER:
    case CONSOLE_DISCONNECT:
        ask_workers(console, question);
        return;
    case CONSOLE_DRAIN:
        drain(console, question);
        return;
    default:
        refuse(console, question, 404, "a node has no answer to that");
        return;
    }
}
