#include "console.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/core/repeats.h>
#include <roomcast/io/bus.h>
#include <roomcast/io/redis_client.h>
#include <roomcast/wire/console_message.h>
#include <roomcast/wire/dead_letter_json.h>
#include <roomcast/wire/subject.h>

#include "parcel.h"
#include "wakeup.h"

#define IDLE_MS 3600000u

_Static_assert(RELAY_CONSOLE_PAGE *DEAD_LETTER_JSON_BYTES + 64 < CONSOLE_BODY_MAX, "a page has room");

struct relay_console {
    struct source_context context; /* immutable, as the next two */
    struct bus *bus;
    char instance[HEARTBEAT_INSTANCE_MAX + 1];
    struct bus_subscription *subscription;
    atomic_uint refs;     /* of the owner, and of the bus while it may deliver */
    atomic_bool stopped;  /* set under lock */
    pthread_mutex_t lock; /* while a message is worked on: none is any more when it has stopped */
    pthread_t thread;
    bool started;
    struct wakeup wakeup;
    struct inbox questions; /* struct question */
    struct repeats repeats; /* under lock */

    /* its thread only */
    struct redis_client *client;
};

/* A question that waits for Redis, or for the revoker. */
struct question {
    struct inbox_item item; /* first */
    struct relay_console *console;
    uint64_t id;
    enum console_kind kind;
    char from[HEARTBEAT_INSTANCE_MAX + 1], about[CONSOLE_ABOUT_MAX + 1];
};

static void copy_text(char *text, size_t size, struct slice from)
{
    snprintf(text, size, "%.*s", (int)from.len, from.data ? from.data : "");
}

static struct question *question_new(struct relay_console *console, const struct console_message *message)
{
    struct question *question = calloc(1, sizeof *question);
    if (!question)
        return NULL;
    question->console = console;
    question->id = message->id;
    question->kind = message->kind;
    copy_text(question->from, sizeof question->from, message->from);
    copy_text(question->about, sizeof question->about, message->about);
    return question;
}

/* --- answers --- */

/* Frees the question. */
static void answer(struct question *question, unsigned status, struct slice body)
{
    struct relay_console *console = question->console;
    const struct console_message message = {
        .id = question->id,
        .kind = CONSOLE_ANSWER,
        .status = status,
        .from = slice_of(console->instance),
        .body = body,
    };
    char subject[SUBJECT_SIZE];
    struct buffer encoded;
    buffer_init(&encoded, CONSOLE_MAX_BYTES);
    subject_format_console(console->context.config->nats_prefix, slice_of(question->from), subject);
    enum err err = console_encode(&message, &encoded);
    if (err == ERR_OK)
        err = bus_publish(console->bus, subject, buffer_slice(&encoded));
    buffer_fini(&encoded);
    if (err != ERR_OK) /* who asked is told that nothing came in time */
        log_debug("console_answer_not_sent", LOG_TEXT("to", question->from),
                  LOG_TEXT("reason", err_name(err)));
    free(question);
}

static void answer_problem(struct question *question, unsigned status, const char *problem)
{
    struct buffer body;
    buffer_init(&body, 2048);
    console_write_problem(problem, &body);
    answer(question, status, buffer_slice(&body));
    buffer_fini(&body);
}

/* --- revocations --- */

/* The lanes' thread. */
static void on_revoked(struct relay_event *event)
{
    struct question *question = event->context;
    if (event->outcome == EVENT_STORED)
        answer(question, 202, SLICE_LITERAL("{\"revoked\":true}"));
    else if (event->outcome == EVENT_REFUSED)
        answer_problem(question, event->is_overload ? 503 : 400, event->problem);
    else
        answer_problem(question, 503, "it is not known to be stored: try again");
    relay_event_free(&event);
}

static void revoke(struct relay_console *console, struct question *question, struct slice body)
{
    static const struct parcel_way way = {.source = {"console", sizeof "console" - 1},
                                          .read = METRIC_RELAY_READ_CONSOLE};
    struct parcel parcel;
    uint64_t tenure = tenure_number(console->context.tenure);
    if (tenure == 0) {
        answer_problem(question, 503, "this relay is not active any more: try again");
        return;
    }
    parcel_read(console->context.intake, &way, PARCEL_REVOCATIONS, body, 1, &parcel);
    if (parcel.status != 0) {
        answer_problem(question, parcel.status, parcel.message);
    } else {
        struct relay_event *event = parcel.events[0];
        parcel.events[0] = NULL;
        event->tenure = tenure;
        event->context = question;
        event->done = on_revoked;
        revoker_submit(console->context.revoker, event);
    }
    parcel_fini(&parcel);
}

/* --- dead letters: the thread --- */

static const char *dead_stream(const struct relay_console *console)
{
    return console->context.config->redis_dead_stream;
}

static void answer_redis(struct question *question, struct relay_console *console)
{
    char problem[REDIS_PROBLEM_SIZE + 16];
    snprintf(problem, sizeof problem, "Redis: %s", redis_client_problem(console->client));
    answer_problem(question, 503, problem);
}

static void write_letter(const struct redis_letter *letter, bool with_text, struct buffer *out)
{
    const struct dead_letter_json json = {
        .id = slice_of(letter->id),
        .reason = letter->reason,
        .source = letter->source,
        .ts = letter->ts,
        .event = letter->event,
        .is_truncated = letter->is_truncated,
    };
    dead_letter_json_write(&json, with_text ? CONSOLE_BODY_MAX - DEAD_LETTER_JSON_BYTES : 0, out);
}

static void list_letters(struct relay_console *console, struct question *question)
{
    struct redis_letters letters;
    struct buffer body;
    if (redis_letters_before(console->client, dead_stream(console), question->about, RELAY_CONSOLE_PAGE,
                             &letters) != ERR_OK) {
        answer_redis(question, console);
        return;
    }
    buffer_init(&body, CONSOLE_BODY_MAX);
    buffer_appendf(&body, "{\"count\":%llu,\"letters\":[", (unsigned long long)letters.total);
    for (size_t i = 0; i < letters.count; i++) {
        if (i > 0)
            buffer_append_char(&body, ',');
        write_letter(&letters.items[i], false, &body);
    }
    buffer_append_text(&body, "]}");
    redis_letters_release(&letters);
    if (buffer_failed(&body))
        answer_problem(question, 503, "out of memory");
    else
        answer(question, 200, buffer_slice(&body));
    buffer_fini(&body);
}

static void show_letter(struct relay_console *console, struct question *question)
{
    struct redis_letters letters;
    struct buffer body;
    if (redis_letter(console->client, dead_stream(console), question->about, &letters) != ERR_OK) {
        answer_redis(question, console);
        return;
    }
    buffer_init(&body, CONSOLE_BODY_MAX);
    bool is_there = letters.count > 0;
    if (is_there)
        write_letter(&letters.items[0], true, &body);
    redis_letters_release(&letters);
    if (!is_there)
        answer_problem(question, 404, "there is no such dead letter any more");
    else if (buffer_failed(&body))
        answer_problem(question, 503, "out of memory");
    else
        answer(question, 200, buffer_slice(&body));
    buffer_fini(&body);
}

static void replay(struct relay_console *console, struct question *question)
{
    const char *stream = console->context.config->redis_stream;
    enum redis_replayed replayed;
    char id[REDIS_ID_SIZE];
    if (!stream || !stream[0]) {
        answer_problem(question, 409,
                       "this relay reads no stream (redis.stream is empty): nobody would read it");
        return;
    }
    if (redis_letter_replay(console->client, dead_stream(console), stream, question->about, &replayed, id) !=
        ERR_OK) {
        answer_redis(question, console);
        return;
    }
    if (replayed == REDIS_REPLAY_MISSING) {
        answer_problem(question, 404, "there is no such dead letter any more");
    } else if (replayed == REDIS_REPLAY_TRUNCATED) {
        answer_problem(question, 409, "it was longer than relay.max_event_bytes and is not kept whole");
    } else {
        char body[REDIS_ID_SIZE + 16];
        int len = snprintf(body, sizeof body, "{\"entry\":\"%s\"}", id);
        answer(question, 202, (struct slice){body, (size_t)len});
    }
}

/* An entry id "<ms>-<n>", or nothing: what else Redis would be told is no question of ours. */
static bool is_entry(const char *text, bool may_be_empty)
{
    size_t digits = strspn(text, "0123456789"),
           more = text[digits] == '-' ? strspn(text + digits + 1, "0123456789") : 0;
    if (text[0] == '\0')
        return may_be_empty;
    return digits > 0 && digits <= 20 && more > 0 && more <= 20 && text[digits + 1 + more] == '\0';
}

static void work_on(struct relay_console *console, struct question *question)
{
    if (!is_entry(question->about, question->kind == CONSOLE_LETTERS)) {
        answer_problem(question, 400, "a dead letter is named by its entry, as 1526919030474-55");
        return;
    }
    if (!redis_client_is_connected(console->client) && redis_client_connect(console->client) != ERR_OK) {
        answer_redis(question, console);
        return;
    }
    switch (question->kind) {
    case CONSOLE_LETTERS:
        list_letters(console, question);
        return;
    case CONSOLE_LETTER:
        show_letter(console, question);
        return;
    default:
        replay(console, question);
        return;
    }
}

static void take_questions(struct relay_console *console)
{
    struct inbox_item *item = inbox_take(&console->questions);
    while (item) {
        struct inbox_item *next = item->next;
        struct question *question = (struct question *)(void *)item;
        if (atomic_load(&console->stopped))
            free(question);
        else
            work_on(console, question);
        item = next;
    }
    redis_client_disconnect(console->client); /* operators ask rarely */
}

static void *run(void *context)
{
    struct relay_console *console = context;
    while (!atomic_load(&console->stopped)) {
        wakeup_wait(&console->wakeup, IDLE_MS);
        take_questions(console);
    }
    return NULL;
}

/* --- from the bus --- */

static void put(struct relay_console *console, struct question *question)
{
    if (inbox_count(&console->questions) >= RELAY_CONSOLE_WAITING)
        answer_problem(question, 503, "the relay is busy with other questions");
    else if (!inbox_put(&console->questions, &question->item))
        free(question);
}

static void serve(struct relay_console *console, const struct console_message *message)
{
    struct question *question = question_new(console, message);
    if (!question)
        return;
    switch (message->kind) {
    case CONSOLE_REVOKE:
        revoke(console, question, message->body);
        return;
    case CONSOLE_LETTERS:
    case CONSOLE_LETTER:
    case CONSOLE_REPLAY:
        put(console, question);
        return;
    default:
        answer_problem(question, 404, "a relay has no answer to that");
        return;
    }
}

static void note_bad(enum err err)
{
    static struct log_limit limit = LOG_LIMIT(60000);
    uint64_t suppressed;
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("console_message_rejected", LOG_TEXT("reason", err_name(err)),
                 LOG_U64("suppressed", suppressed));
}

static void on_message(void *context, struct bus_message *message)
{
    struct relay_console *console = context;
    struct console_owned owned;
    pthread_mutex_lock(&console->lock);
    enum err err = atomic_load(&console->stopped) ? ERR_BUSY : console_decode(message->data, &owned);
    if (err == ERR_OK) {
        if (console_acts(owned.message.kind) && repeats_note(&console->repeats, owned.message.id))
            note_bad(ERR_FORBIDDEN); /* it was heard on the bus, and is sent again by somebody else */
        else if (owned.message.kind != CONSOLE_ANSWER) /* a relay asks nothing */
            serve(console, &owned.message);
        console_release(&owned);
    } else if (err != ERR_BUSY) {
        note_bad(err);
    }
    pthread_mutex_unlock(&console->lock);
    bus_message_free(&message);
}

/* --- life --- */

static void unref(void *context)
{
    struct relay_console *console = context;
    if (atomic_fetch_sub(&console->refs, 1) != 1)
        return;
    redis_client_free(&console->client);
    inbox_fini(&console->questions);
    wakeup_fini(&console->wakeup);
    pthread_mutex_destroy(&console->lock);
    free(console);
}

static enum err start(struct relay_console *console)
{
    char subject[SUBJECT_SIZE];
    if (console->context.config->admin_key[0] == '\0')
        return ERR_OK;
    subject_format_console(console->context.config->nats_prefix, slice_of(console->instance), subject);
    enum err err = bus_subscribe(console->bus, subject, on_message, console, &console->subscription);
    if (err != ERR_OK)
        return err;
    atomic_fetch_add(&console->refs, 1);
    console->started = pthread_create(&console->thread, NULL, run, console) == 0;
    return console->started ? ERR_OK : ERR_IO;
}

enum err relay_console_new(const struct source_context *context, struct bus *bus, const char *instance,
                           struct relay_console **ret_console, char *problem)
{
    const struct redis_options options = {
        .url = context->config->redis_url,
        .connect_timeout_ms = SOURCE_CONNECT_TIMEOUT_MS,
        .command_timeout_ms = SOURCE_COMMAND_TIMEOUT_MS,
    };
    struct relay_console *console = calloc(1, sizeof *console);
    if (!console)
        return ERR_NO_MEMORY;
    console->context = *context;
    console->bus = bus;
    copy_text(console->instance, sizeof console->instance, slice_of(instance));
    atomic_init(&console->refs, 1);
    pthread_mutex_init(&console->lock, NULL);
    wakeup_init(&console->wakeup);
    inbox_init(&console->questions, wakeup_raise, &console->wakeup);
    *ret_console = console;
    enum err err = redis_client_new(&options, &console->client, problem);
    return err == ERR_OK ? start(console) : err;
}

void relay_console_stop(struct relay_console *console)
{
    if (!console)
        return;
    pthread_mutex_lock(&console->lock);
    atomic_store(&console->stopped, true);
    pthread_mutex_unlock(&console->lock);
    if (console->subscription)
        bus_unsubscribe(console->bus, &console->subscription, unref);
    if (!console->started)
        return;
    wakeup_raise(&console->wakeup);
    pthread_join(console->thread, NULL);
    console->started = false;
}

void relay_console_free(struct relay_console **console)
{
    if (!*console)
        return;
    inbox_close(&(*console)->questions);
    struct inbox_item *item = inbox_take(&(*console)->questions);
    while (item) {
        struct inbox_item *next = item->next;
        free((struct question *)(void *)item);
        item = next;
    }
    unref(*console);
    *console = NULL;
}
