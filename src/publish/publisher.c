#include "publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/io/https_client.h>
#include <roomcast/io/redis_client.h>
#include <roomcast/wire/error_code.h>
#include <roomcast/wire/http_reply.h>
#include <roomcast/wire/subject.h>

#include "nats_asker.h"

#define CONNECT_MS 5000
#define ANSWER_MS  30000 /* longer than a relay waits for NATS */
#define ANSWER_MAX 65536
#define URL_SIZE   1024
#define EVENTS     "/v1/events"

struct publisher {
    const struct publish_options *options; /* borrowed */
    struct redis_client *redis;            /* owned; one of the three */
    struct https_client *http;             /* owned */
    struct nats_asker *nats;               /* owned */
    char url[URL_SIZE];                    /* of http */
    char subject[SUBJECT_SIZE];            /* of nats */
};

static enum err open_redis(struct publisher *publisher, char *problem)
{
    const struct redis_options redis = {.url = publisher->options->redis_url,
                                        .connect_timeout_ms = CONNECT_MS,
                                        .command_timeout_ms = ANSWER_MS};
    char why[REDIS_PROBLEM_SIZE];
    enum err err = redis_client_new(&redis, &publisher->redis, why);

    if (err != ERR_OK)
        snprintf(problem, PUBLISHER_PROBLEM_SIZE, "the address of Redis: %s",
                 err == ERR_CONFIG ? why : err_text(err));
    return err;
}

/* An address without a path is the relay's own. */
static enum err open_http(struct publisher *publisher, char *problem)
{
    const char *url = publisher->options->relay_url, *fault = https_client_fault(url);
    size_t len = strlen(url);

    if (fault || len + sizeof EVENTS > sizeof publisher->url) {
        snprintf(problem, PUBLISHER_PROBLEM_SIZE, "--relay: %s; it is http://host:port or https://host:port",
                 fault ? fault : "it is too long");
        return ERR_CONFIG;
    }
    const char *host = strstr(url, "://") + 3, *path = strchr(host, '/');
    bool has_path = path && path[1];
    snprintf(publisher->url, sizeof publisher->url, "%.*s%s", (int)(path && !has_path ? len - 1 : len), url,
             has_path ? "" : EVENTS);
    const struct https_client_options http = {.url = publisher->url,
                                              .ca_file = publisher->options->ca_file,
                                              .connect_timeout_ms = CONNECT_MS,
                                              .timeout_ms = ANSWER_MS};
    enum err err = https_client_new(&http, &publisher->http);
    if (err != ERR_OK)
        snprintf(problem, PUBLISHER_PROBLEM_SIZE, "--relay: %s", err_text(err));
    return err;
}

static enum err open_nats(struct publisher *publisher, char *problem)
{
    const struct bus_nats_options *options = publisher->options->nats;
    char why[NATS_ASKER_PROBLEM_SIZE];
    enum err err = nats_asker_new(options, &publisher->nats, why);

    subject_format_in_events(options->prefix, publisher->subject);
    if (err != ERR_OK)
        snprintf(problem, PUBLISHER_PROBLEM_SIZE, "--nats: %s", why[0] ? why : err_text(err));
    return err;
}

static enum err open_way(struct publisher *publisher, char *problem)
{
    if (publisher->options->relay_url)
        return open_http(publisher, problem);
    return publisher->options->nats ? open_nats(publisher, problem) : open_redis(publisher, problem);
}

enum err publisher_new(const struct publish_options *options, struct publisher **ret_publisher, char *problem)
{
    struct publisher *publisher = calloc(1, sizeof *publisher);

    if (!publisher) {
        snprintf(problem, PUBLISHER_PROBLEM_SIZE, "%s", err_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    publisher->options = options;
    enum err err = open_way(publisher, problem);
    if (err == ERR_OK)
        *ret_publisher = publisher;
    else
        publisher_free(&publisher);
    return err;
}

static void add_to_stream(struct publisher *publisher, struct slice event, struct publisher_result *result)
{
    const struct redis_field field = {.name = "event", .value = event};
    struct redis_client *redis = publisher->redis;
    enum err err = ERR_OK;

    if (!redis_client_is_connected(redis))
        err = redis_client_connect(redis);
    if (err == ERR_OK)
        err = redis_append(redis, publisher->options->redis_stream, &field, 1, result->place);
    if (err == ERR_OK) {
        result->verdict = PUBLISHER_ADDED;
        return;
    }
    result->verdict = PUBLISHER_FAILED;
    snprintf(result->problem, sizeof result->problem, "Redis: %s; %s", redis_client_problem(redis),
             err == ERR_FORBIDDEN ? "user and password stand in redis.url: redis://user:password@host:port/db"
             : err == ERR_IO      ? "nothing was added"
                                  : "is it running there? The address is --redis, or redis.url");
}

/* What the relay's status means to who published, and what to do. */
static void judge_refusal(const struct https_answer *answer, const struct http_reply *reply,
                          struct publisher_result *result)
{
    const char *said = reply->message[0] ? reply->message : "it does not say why";

    result->verdict = PUBLISHER_FAILED;
    switch (answer->status) {
    case 400:
        result->verdict = PUBLISHER_REFUSED;
        snprintf(result->problem, sizeof result->problem, "the relay refuses it (400): %s", said);
        break;
    case 401:
        snprintf(result->problem, sizeof result->problem,
                 "the relay does not take the key (401): give it the relay's own relay.api_key, by "
                 "ROOMCAST_RELAY_API_KEY or --relay-api-key-file");
        break;
    case 404:
        snprintf(result->problem, sizeof result->problem,
                 "there is no POST " EVENTS " (404): is it the relay's address, relay.listen?");
        break;
    case 413:
        result->verdict = PUBLISHER_REFUSED;
        snprintf(result->problem, sizeof result->problem,
                 "it is too large for the relay (413): %s; its limit is relay.max_event_bytes", said);
        break;
    case 503:
        snprintf(result->problem, sizeof result->problem,
                 "the relay cannot store it now (503): %s; try again%s, with the same event id", said,
                 answer->retry_after_s > 0 ? " in a few seconds" : " later");
        break;
    default:
        snprintf(result->problem, sizeof result->problem, "the answer has status %u: %s%s", answer->status,
                 said, answer->status >= 300 && answer->status < 400 ? " (redirects are not followed)" : "");
    }
}

static void judge_answer(const struct https_answer *answer, struct slice body,
                         struct publisher_result *result)
{
    struct http_reply reply = {.accepted = 0};
    enum err err = http_reply_parse(body, &reply);

    if (answer->status != 202) {
        judge_refusal(answer, &reply, result);
    } else if (err == ERR_OK && reply.accepted + reply.skipped == 1) {
        result->verdict = reply.accepted ? PUBLISHER_STORED : PUBLISHER_SKIPPED;
    } else {
        result->verdict = PUBLISHER_FAILED;
        snprintf(result->problem, sizeof result->problem,
                 "the answer is not a relay's: is it the relay's address, relay.listen?");
    }
}

static void post(struct publisher *publisher, struct slice event, struct publisher_result *result)
{
    struct https_answer answer = {.status = 0};
    struct buffer body;

    buffer_init(&body, ANSWER_MAX);
    enum err err = https_client_post(publisher->http, publisher->options->relay_key, event, &body, &answer);
    if (err == ERR_OK) {
        judge_answer(&answer, buffer_slice(&body), result);
    } else if (err == ERR_CONFIG) {
        result->verdict = PUBLISHER_FAILED;
        snprintf(result->problem, sizeof result->problem,
                 "relay.api_key holds what cannot stand in a header");
    } else {
        result->verdict = PUBLISHER_FAILED;
        snprintf(result->problem, sizeof result->problem,
                 "no relay answers at %.600s: %.255s; is one running there?", publisher->url,
                 answer.problem[0] ? answer.problem : err_text(err));
    }
    buffer_fini(&body);
}

/* What the relay's code means to who published, and what to do. */
static void judge_code(const struct http_reply *reply, struct publisher_result *result)
{
    enum error_code code;

    result->verdict = PUBLISHER_FAILED;
    if (!error_code_find(slice_of(reply->code), &code)) {
        snprintf(result->problem, sizeof result->problem,
                 "the answer is not a relay's: is nats.prefix the relay's own?");
    } else if (error_code_temporary(code)) {
        snprintf(result->problem, sizeof result->problem,
                 "the relay cannot store it now (%s): %s; try again, with the same event id", reply->code,
                 reply->message);
    } else {
        result->verdict = PUBLISHER_REFUSED;
        snprintf(result->problem, sizeof result->problem, "the relay refuses it (%s): %s", reply->code,
                 reply->message);
    }
}

static void ask(struct publisher *publisher, struct slice event, struct publisher_result *result)
{
    char why[NATS_ASKER_PROBLEM_SIZE];
    struct http_reply reply = {.accepted = 0};
    struct buffer body;

    if (!nats_asker_connect(publisher->nats, CONNECT_MS)) {
        snprintf(
            result->problem, sizeof result->problem,
            "NATS lets nobody in within %d s; is it running there? The address is nats.url, and who is let "
            "in stands in the other options nats.*",
            CONNECT_MS / 1000);
        return;
    }
    buffer_init(&body, ANSWER_MAX);
    switch (nats_asker_ask(publisher->nats, publisher->subject, event, ANSWER_MS, &body, why)) {
    case BUS_ANSWER_GIVEN:
        if (http_reply_parse(buffer_slice(&body), &reply) == ERR_OK && reply.accepted + reply.skipped == 1)
            result->verdict = reply.accepted ? PUBLISHER_STORED : PUBLISHER_SKIPPED;
        else
            judge_code(&reply, result);
        break;
    case BUS_ANSWER_NOBODY:
        snprintf(result->problem, sizeof result->problem,
                 "nobody listens on %s: is a relay active, and its relay.nats_requests true?",
                 publisher->subject);
        break;
    case BUS_ANSWER_NONE:
        snprintf(result->problem, sizeof result->problem,
                 "no answer on %s: %s; may this user of NATS publish there? To send it again with the same "
                 "event id is safe",
                 publisher->subject, why);
    }
    buffer_fini(&body);
}

void publisher_send(struct publisher *publisher, struct slice event, struct publisher_result *ret_result)
{
    *ret_result = (struct publisher_result){.verdict = PUBLISHER_FAILED};
    if (publisher->redis)
        add_to_stream(publisher, event, ret_result);
    else if (publisher->nats)
        ask(publisher, event, ret_result);
    else
        post(publisher, event, ret_result);
}

void publisher_free(struct publisher **publisher)
{
    if (!*publisher)
        return;
    redis_client_free(&(*publisher)->redis);
    https_client_free(&(*publisher)->http);
    nats_asker_free(&(*publisher)->nats);
    free(*publisher);
    *publisher = NULL;
}
