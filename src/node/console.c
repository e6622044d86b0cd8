/* What is asked, and how the answers come together. */
#include "console_internal.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/json_text.h>
#include <roomcast/wire/subject.h>

#include "console_http.h"
#include "control.h"

#define DOCUMENT_MAX (8u * 1024 * 1024)
#define REFUSE_MS    1000u
#define REFUSED_MAX  16u /* that wait; further ones are answered at once */
#define WHOM_SIZE    160

/* One process that is asked. */
struct asked {
    char instance[HEARTBEAT_INSTANCE_MAX + 1], name[HEARTBEAT_NAME_MAX + 1];
    bool is_relay;
    unsigned status; /* 0: none yet */
    const char *problem;
    char *body; /* owned; JSON */
    size_t len;
};

struct console_asking {
    struct console_asking *prev, *next;
    uint64_t id, deadline_ms;
    struct http_exchange *exchange;
    const char *action; /* NULL: none */
    char whom[WHOM_SIZE], peer[HTTP_PEER_SIZE];
    size_t count, open;
    struct asked asked[];
};

struct console_refused {
    struct console_refused *prev, *next;
    struct http_exchange *exchange;
    uint64_t at_ms;
};

/* --- the end of a question --- */

static void asking_free(struct console_asking *asking)
{
    for (size_t i = 0; i < asking->count; i++)
        free(asking->asked[i].body);
    free(asking);
}

static void write_asked(const struct asked *asked, struct buffer *out)
{
    buffer_append_text(out, "{\"instance\":");
    json_append_string(out, slice_of(asked->instance));
    buffer_append_text(out, ",\"name\":");
    json_append_string(out, slice_of(asked->name));
    buffer_appendf(out, ",\"kind\":\"%s\",\"status\":%u,", asked->is_relay ? "relay" : "node", asked->status);
    if (asked->status == 0) {
        buffer_append_text(out, "\"problem\":");
        json_append_string(out, slice_of(asked->problem));
    } else {
        buffer_append_text(out, "\"body\":");
        buffer_append(out, asked->body, asked->len);
    }
    buffer_append_char(out, '}');
}

/* Who did what to whom, and what became of it. */
static void audit(const struct console_asking *asking)
{
    for (size_t i = 0; asking->action && i < asking->count; i++) {
        const struct asked *asked = &asking->asked[i];
        log_info("console_action", LOG_TEXT("action", asking->action), LOG_TEXT("on", asking->whom),
                 LOG_TEXT("by", asking->peer), LOG_TEXT("process", asked->instance),
                 LOG_U64("status", asked->status),
                 LOG_TEXT("problem", asked->status == 0 ? asked->problem : ""));
    }
}

/* It is not in the list any more. */
static void finish(struct console_asking *asking)
{
    struct buffer out;
    audit(asking);
    buffer_init(&out, DOCUMENT_MAX);
    buffer_append_text(&out, "{\"success\":true,\"answers\":[");
    for (size_t i = 0; i < asking->count; i++) {
        if (i > 0)
            buffer_append_char(&out, ',');
        write_asked(&asking->asked[i], &out);
    }
    buffer_append_text(&out, "]}");
    if (buffer_failed(&out))
        console_answer_error(asking->exchange, 503, ERROR_CODE_OVERLOADED, NULL);
    else
        console_answer(asking->exchange, 200, buffer_slice(&out));
    buffer_fini(&out);
    asking_free(asking);
}

static void take_out_locked(struct console *console, struct console_asking *asking)
{
    DL_DELETE(console->asking, asking);
    console->asking_count--;
}

static bool takes_answer(struct asked *asked, const void *what)
{
    const struct console_message *answer = what;
    if (asked->status != 0 || asked->body || !slice_equal(slice_of(asked->instance), answer->from))
        return false;
    asked->body = malloc(answer->body.len);
    if (!asked->body)
        return false;
    memcpy(asked->body, answer->body.data, answer->body.len);
    asked->len = answer->body.len;
    asked->status = answer->status;
    return true;
}

/* The first asked one that `takes` what has become of its question has no answer to give any more. */
static void settle(struct console *console, uint64_t id, bool (*takes)(struct asked *asked, const void *what),
                   const void *what)
{
    struct console_asking *asking, *ended = NULL;
    pthread_mutex_lock(&console->lock);
    DL_SEARCH_SCALAR(console->asking, asking, id, id);
    for (size_t i = 0; asking && i < asking->count; i++) {
        if (!takes(&asking->asked[i], what))
            continue;
        if (--asking->open == 0) {
            take_out_locked(console, asking);
            ended = asking;
        }
        break;
    }
    pthread_mutex_unlock(&console->lock);
    if (ended)
        finish(ended);
}

void console_on_answer(struct console *console, const struct console_message *answer)
{
    settle(console, answer->id, takes_answer, answer);
}

/* --- asking --- */

static void add(struct console_asking *asking, const struct heartbeat *beat)
{
    struct asked *asked = &asking->asked[asking->count++];
    strcpy(asked->instance, beat->instance);
    strcpy(asked->name, beat->name);
    asked->is_relay = beat->kind == HEARTBEAT_OF_RELAY;
    asked->problem = "no answer in time (or admin.key is not set there)";
}

static bool is_meant(const struct console_question *question, const struct heartbeat *beat)
{
    switch (question->to) {
    case CONSOLE_TO_NODES:
        return beat->kind == HEARTBEAT_OF_NODE;
    case CONSOLE_TO_PROCESS:
        return beat->kind == HEARTBEAT_OF_NODE && slice_equal(question->about, slice_of(beat->instance));
    case CONSOLE_TO_RELAY:
        return beat->kind == HEARTBEAT_OF_RELAY && beat->active;
    }
    return false;
}

/* NULL when out of memory. */
static struct console_asking *choose_asked(struct console *console, const struct console_question *question)
{
    struct heartbeat self;
    struct cluster_member *members;
    size_t count;
    if (control_see(atomic_load(&console->node->control), &self, &members, &count) != ERR_OK)
        return NULL;
    struct console_asking *asking = calloc(1, sizeof *asking + (count + 1) * sizeof asking->asked[0]);
    if (asking && is_meant(question, &self))
        add(asking, &self);
    for (size_t i = 0; asking && i < count; i++) {
        if (is_meant(question, &members[i].beat))
            add(asking, &members[i].beat);
    }
    free(members);
    return asking;
}

static bool put_in(struct console *console, struct console_asking *asking)
{
    pthread_mutex_lock(&console->lock);
    bool is_free = console->asking_count < CONSOLE_OPEN_MAX && !atomic_load(&console->stopped);
    if (is_free) {
        DL_APPEND(console->asking, asking);
        console->asking_count++;
    }
    pthread_mutex_unlock(&console->lock);
    return is_free;
}

static bool takes_unsent(struct asked *asked, const void *instance)
{
    if (strcmp(asked->instance, instance) != 0)
        return false;
    asked->problem = "NATS is not connected";
    return true;
}

/* `asking` may end with the first answer: the names are kept apart. */
static void send_all(struct console *console, const struct console_message *message,
                     char (*to)[HEARTBEAT_INSTANCE_MAX + 1], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (console_send(console, to[i], message) != ERR_OK)
            settle(console, message->id, takes_unsent, to[i]);
    }
}

static void begin(struct console *console, struct console_asking *asking,
                  const struct console_question *question)
{
    size_t count = asking->count;
    char(*to)[HEARTBEAT_INSTANCE_MAX + 1] = calloc(count, sizeof *to);
    struct console_message message = {
        .kind = question->kind,
        .from = slice_of(console->node->shared.instance),
        .about = question->about,
        .body = question->body,
    };
    random_bytes(&message.id, sizeof message.id);
    message.id |= 1; /* never 0 */
    asking->id = message.id;
    asking->open = count;
    bool stores = question->action && question->to == CONSOLE_TO_RELAY;
    asking->deadline_ms = clock_monotonic_ms() + (stores ? CONSOLE_STORE_WAIT_MS : CONSOLE_WAIT_MS);
    for (size_t i = 0; to && i < count; i++)
        strcpy(to[i], asking->asked[i].instance);
    if (!to || !put_in(console, asking)) {
        console_answer_error(asking->exchange, 503, ERROR_CODE_OVERLOADED, NULL);
        asking_free(asking);
    } else {
        send_all(console, &message, to, count);
    }
    free(to);
}

static const char *nobody(const struct console_question *question)
{
    return question->to == CONSOLE_TO_RELAY ? "no relay is active, as far as this node has heard"
                                            : "there is no such node";
}

void console_ask(struct console *console, struct http_exchange *exchange,
                 const struct console_question *question)
{
    struct console_asking *asking = choose_asked(console, question);
    metrics_inc(question->action ? METRIC_CONSOLE_ACTED : METRIC_CONSOLE_ASKED);
    if (!asking) {
        console_answer_error(exchange, 503, ERROR_CODE_OVERLOADED, NULL);
        return;
    }
    if (asking->count == 0) {
        console_answer_error(exchange, question->to == CONSOLE_TO_RELAY ? 503 : 404,
                             question->to == CONSOLE_TO_RELAY ? ERROR_CODE_UNAVAILABLE : ERROR_CODE_NOT_FOUND,
                             nobody(question));
        asking_free(asking);
        return;
    }
    asking->exchange = exchange;
    asking->action = question->action;
    snprintf(asking->whom, sizeof asking->whom, "%.*s", (int)question->whom.len, question->whom.data);
    http_peer(exchange, asking->peer);
    begin(console, asking, question);
}

/* --- refusing --- */

static void answer_refused(struct http_exchange *exchange)
{
    console_answer_error_with(exchange, 401, ERROR_CODE_UNAUTHORIZED,
                              "that is not the key of option admin.key", "WWW-Authenticate", "Bearer");
}

static void log_refused(const struct http_exchange *exchange)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;
    char peer[HTTP_PEER_SIZE];
    if (!log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        return;
    http_peer(exchange, peer);
    log_warn("console_refused", LOG_TEXT("by", peer), LOG_TEXT("reason", "wrong key, or none"),
             LOG_U64("suppressed", suppressed));
}

void console_refuse(struct console *console, struct http_exchange *exchange)
{
    struct console_refused *refused = malloc(sizeof *refused);
    bool is_kept = false;
    metrics_inc(METRIC_CONSOLE_REFUSED);
    log_refused(exchange);
    pthread_mutex_lock(&console->lock);
    if (refused && console->refused_count < REFUSED_MAX && !atomic_load(&console->stopped)) {
        *refused = (struct console_refused){.exchange = exchange, .at_ms = clock_monotonic_ms() + REFUSE_MS};
        DL_APPEND(console->refused, refused);
        console->refused_count++;
        is_kept = true;
    }
    pthread_mutex_unlock(&console->lock);
    if (is_kept)
        return;
    free(refused);
    console_answer_error(exchange, 429, ERROR_CODE_OVERLOADED, "too many wrong keys; try again in a moment");
}

/* --- time, and the end --- */

static struct console_asking *take_late(struct console *console, uint64_t now_ms)
{
    struct console_asking *asking;
    pthread_mutex_lock(&console->lock);
    DL_FOREACH(console->asking, asking)
    {
        if (asking->deadline_ms <= now_ms)
            break;
    }
    if (asking)
        take_out_locked(console, asking);
    pthread_mutex_unlock(&console->lock);
    return asking;
}

static struct console_refused *take_refused(struct console *console, uint64_t now_ms)
{
    pthread_mutex_lock(&console->lock);
    struct console_refused *refused = console->refused;
    if (refused && refused->at_ms <= now_ms) {
        DL_DELETE(console->refused, refused);
        console->refused_count--;
    } else {
        refused = NULL;
    }
    pthread_mutex_unlock(&console->lock);
    return refused;
}

void console_tick(struct console *console, uint64_t now_ms)
{
    struct console_asking *asking;
    struct console_refused *refused;
    if (!console)
        return;
    while ((asking = take_late(console, now_ms)))
        finish(asking);
    while ((refused = take_refused(console, now_ms))) {
        answer_refused(refused->exchange);
        free(refused);
    }
}

static void note_bad(enum err err)
{
    static struct log_limit limit = LOG_LIMIT(60000);
    uint64_t suppressed;
    metrics_inc(METRIC_CONSOLE_BAD);
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("console_message_rejected", LOG_TEXT("reason", err_name(err)),
                 LOG_U64("suppressed", suppressed));
}

/* An action that was heard on the bus, and is sent again by somebody else. */
static bool is_repeated(struct console *console, const struct console_message *question)
{
    if (!console_acts(question->kind))
        return false;
    pthread_mutex_lock(&console->lock);
    bool is_known = repeats_note(&console->repeats, question->id);
    pthread_mutex_unlock(&console->lock);
    if (is_known)
        note_bad(ERR_FORBIDDEN);
    return is_known;
}

static void on_message(void *context, struct bus_message *message)
{
    struct console *console = context;
    struct console_owned owned;
    enum err err = console_decode(message->data, &owned);
    if (err != ERR_OK) {
        note_bad(err);
    } else {
        if (owned.message.kind == CONSOLE_ANSWER)
            console_on_answer(console, &owned.message);
        else if (!atomic_load(&console->stopped) && !is_repeated(console, &owned.message))
            console_serve(console, &owned.message);
        console_release(&owned);
    }
    bus_message_free(&message);
}

enum err console_new(struct node *node, struct console **ret_console)
{
    struct console *console = calloc(1, sizeof *console);
    char subject[SUBJECT_SIZE];
    if (!console)
        return ERR_NO_MEMORY;
    console->node = node;
    pthread_mutex_init(&console->lock, NULL);
    *ret_console = console; /* also when it fails: node_free() frees it */
    if (node->shared.config->admin_key[0] == '\0')
        return ERR_OK; /* it asks nothing, and answers nobody */
    subject_format_console(node->shared.config->nats_prefix, slice_of(node->shared.instance), subject);
    return bus_subscribe(node->bus, subject, on_message, console, &console->subscription);
}

void console_stop(struct console *console)
{
    struct console_asking *asking;
    struct console_refused *refused;
    pthread_mutex_lock(&console->lock);
    atomic_store(&console->stopped, true);
    pthread_mutex_unlock(&console->lock);
    if (console->subscription)
        bus_unsubscribe(console->node->bus, &console->subscription, NULL);
    while ((asking = take_late(console, UINT64_MAX))) {
        audit(asking);
        console_answer_error(asking->exchange, 503, ERROR_CODE_DRAINING, NULL);
        asking_free(asking);
    }
    while ((refused = take_refused(console, UINT64_MAX))) {
        answer_refused(refused->exchange);
        free(refused);
    }
}

void console_free(struct console **console)
{
    if (!*console)
        return;
    pthread_mutex_destroy(&(*console)->lock);
    free(*console);
    *console = NULL;
}
