/* authorization.mode request: before a session joins a chat, a domain service is asked whether its user may
 * read it (proto/README.md: Who may read a chat). What is asked when is core/authz_cache.h's; here is the way
 * to the service and back.
 *
 * Without an answer nobody is let in, and the error is temporary: the client comes again, nothing is asked
 * twice on its behalf. */
#include "hub_channel.h"

#include <stdlib.h>

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/core/authz_cache.h>
#include <roomcast/wire/authz_message.h>
#include <roomcast/wire/subject.h>

#define IN_FLIGHT_MAX  256    /* questions under way: what a service sees at once of one node */
#define IN_FLIGHT_USER 32     /* of one user */
#define PENDING_MAX    65536  /* pairs of user and chat that are to be asked for */
#define KNOWN_MAX      100000 /* answers kept */
#define KNOWN_USER     4096   /* of one user */

/* A question on its way to a bus thread and back. */
struct hub_verdict {
    struct inbox_item item; /* first */
    struct hub *hub;
    struct authz_pair *pair;
    enum { VERDICT_GIVEN, VERDICT_BAD, VERDICT_NONE } kind;
    struct authz_answer answer; /* VERDICT_GIVEN */
    const char *problem;        /* otherwise: a literal */
};

enum err hub_authorize_init(struct hub *hub)
{
    const struct authz_limits limits = {.in_flight = IN_FLIGHT_MAX,
                                        .in_flight_per_user = IN_FLIGHT_USER,
                                        .pending = PENDING_MAX,
                                        .known = KNOWN_MAX,
                                        .known_per_user = KNOWN_USER,
                                        .wait_ms = hub->config->rooms_join_timeout_ms};
    if (hub->config->authorization_mode != AUTHORIZATION_REQUEST)
        return ERR_OK;
    return authz_cache_new(&limits, &hub->authz);
}

/* --- those who wait --- */

static struct hub_request *request_of(struct authz_waiter *waiter)
{
    return (struct hub_request *)((char *)waiter - offsetof(struct hub_request, authz));
}

static void decide(struct hub *hub, struct hub_request *request, enum err status)
{
    if (status == ERR_OK && request->kind == HUB_JOIN)
        hub_join(hub, request);
    else
        hub_answer(hub, request, status);
}

static void note_waiting(struct hub *hub)
{
    metrics_set(METRIC_AUTHORIZATIONS_WAITING, (int64_t)authz_pending(hub->authz));
}

/* Those of a pair that does not wait any more: who has the answer sees that. */
static void decide_all(struct hub *hub, struct authz_waiter *waiter, enum err status)
{
    note_waiting(hub);
    while (waiter) {
        struct authz_waiter *next = waiter->next; /* the request leaves with it */
        decide(hub, request_of(waiter), status);
        waiter = next;
    }
}

static void refuse(struct hub *hub, struct hub_request *request, enum err status)
{
    metrics_inc(METRIC_AUTHORIZATIONS_OVERLOADED);
    decide(hub, request, status);
}

/* --- questions --- */

/* Bus thread: only hands it over. */
static void on_answer(void *context, const struct bus_answer *answer)
{
    struct hub_verdict *verdict = context;
    verdict->kind = VERDICT_NONE;
    verdict->problem = answer->problem;
    if (answer->status == BUS_ANSWER_GIVEN) {
        enum err err = authz_answer_decode(answer->data, &verdict->answer);
        verdict->kind = err == ERR_OK ? VERDICT_GIVEN : VERDICT_BAD;
        verdict->problem = err_text(err);
    }
    if (!inbox_put(&verdict->hub->verdicts, &verdict->item))
        free(verdict);
}

static enum err send_question(struct hub *hub, const struct authz_question *question)
{
    struct room_key chat;
    struct buffer text;
    struct hub_verdict *verdict = calloc(1, sizeof *verdict);
    buffer_init(&text, AUTHZ_QUESTION_MAX);
    room_key_for_chat(&question->chat, &chat);
    authz_question_encode(&question->user, &chat, shared_text_slice(question->claims), &text);
    if (!verdict || buffer_failed(&text)) {
        free(verdict);
        buffer_fini(&text);
        return ERR_NO_MEMORY;
    }
    char subject[SUBJECT_SIZE];
    subject_format_authorize(hub->config->nats_prefix, subject);
    verdict->hub = hub;
    verdict->pair = question->pair;
    bus_ask(hub->bus, subject, buffer_slice(&text), hub->config->authorization_timeout_ms, on_answer,
            verdict);
    buffer_fini(&text);
    return ERR_OK;
}

static void send_questions(struct hub *hub)
{
    struct authz_question question;
    note_waiting(hub); /* before the service can see the question */
    while (authz_next(hub->authz, &question)) {
        enum err err = send_question(hub, &question);
        shared_text_unref(&question.claims);
        if (err != ERR_OK)
            decide_all(hub, authz_no_answer(hub->authz, question.pair), err);
    }
}

void hub_authorize(struct hub *hub, struct hub_request *request)
{
    struct uuid chat;
    if (uuid_parse(room_key_name(&request->room), &chat) != ERR_OK) {
        decide(hub, request, ERR_FORBIDDEN);
        return;
    }
    switch (authz_ask(hub->authz, &request->user, &chat, request->claims, &request->authz, hub->now_ms)) {
    case AUTHZ_ALLOWED:
        metrics_inc(METRIC_AUTHORIZATIONS_CACHED);
        decide(hub, request, ERR_OK);
        break;
    case AUTHZ_DENIED:
        metrics_inc(METRIC_AUTHORIZATIONS_CACHED);
        decide(hub, request, ERR_FORBIDDEN);
        break;
    case AUTHZ_WAIT:
        break;
    case AUTHZ_FULL:
        refuse(hub, request, ERR_BUSY);
        break;
    case AUTHZ_NO_MEMORY:
        refuse(hub, request, ERR_NO_MEMORY);
        break;
    }
    send_questions(hub);
}

void hub_authorize_forget(struct hub *hub, const struct room_key *user)
{
    if (hub->authz)
        authz_forget_user(hub->authz, user);
}

/* --- answers --- */

static void note_problem(struct hub *hub, const struct hub_verdict *verdict)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;
    metrics_inc(verdict->kind == VERDICT_BAD ? METRIC_AUTHORIZATIONS_BAD : METRIC_AUTHORIZATIONS_UNAVAILABLE);
    if (log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_warn("authorization_unavailable",
                 LOG_TEXT("what", verdict->kind == VERDICT_BAD ? "the answer cannot be read" : "no answer"),
                 LOG_TEXT("reason", verdict->problem), LOG_U64("suppressed", suppressed));
}

static void take_verdict(struct hub *hub, const struct hub_verdict *verdict)
{
    if (verdict->kind != VERDICT_GIVEN) {
        note_problem(hub, verdict);
        decide_all(hub, authz_no_answer(hub->authz, verdict->pair), ERR_UNAVAILABLE);
        return;
    }
    const struct authz_answer *answer = &verdict->answer;
    uint64_t keep_s = answer->has_cache_s ? answer->cache_s : hub->config->authorization_cache_s;
    metrics_inc(answer->allowed ? METRIC_AUTHORIZATIONS_ALLOWED : METRIC_AUTHORIZATIONS_DENIED);
    decide_all(hub, authz_answer(hub->authz, verdict->pair, answer->allowed, keep_s * 1000, hub->now_ms),
               answer->allowed ? ERR_OK : ERR_FORBIDDEN);
}

void hub_take_verdicts(struct hub *hub)
{
    struct inbox_item *item = inbox_take(&hub->verdicts);
    if (!item)
        return;
    while (item) {
        struct inbox_item *next = item->next;
        take_verdict(hub, (struct hub_verdict *)item);
        free(item);
        item = next;
    }
    send_questions(hub);
}

void hub_authorize_run(struct hub *hub)
{
    struct authz_waiter *waiter = hub->authz ? authz_expire(hub->authz, hub->now_ms) : NULL;
    while (waiter) {
        struct authz_waiter *next = waiter->next;
        refuse(hub, request_of(waiter), ERR_TIMEOUT);
        waiter = next;
    }
}

/* --- the end --- */

void hub_authorize_close(struct hub *hub)
{
    if (hub->authz)
        decide_all(hub, authz_give_up(hub->authz), ERR_TIMEOUT);
}

void hub_authorize_fini(struct hub *hub)
{
    struct inbox_item *item, *next;
    for (item = inbox_take(&hub->verdicts); item; item = next) {
        next = item->next;
        free(item);
    }
    inbox_fini(&hub->verdicts);
    authz_cache_free(&hub->authz);
}
