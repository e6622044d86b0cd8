#include "issuer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/condition.h>
#include <roomcast/base/hash.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/io/https_client.h>
#include <roomcast/wire/jwks.h>

#define RETRY_MIN_MS 1000u
#define RETRY_MAX_MS 60000u
#define NAMES_MAX    512 /* bytes of kids in a log line */

struct issuer {
    struct issuer_options options; /* immutable */
    struct https_client *client;
    pthread_t thread;
    bool started;          /* main thread only */
    atomic_bool is_loaded; /* any thread */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* by the monotonic clock */
    uint64_t begun, ended;  /* under lock: fetches */
    bool has_failed;        /* under lock: the one that ended last */
    bool is_wanted;         /* under lock: for a key that is not known */
    bool is_ordered;        /* under lock: by the operator */
    bool stopping;          /* under lock */

    /* its own thread only */
    uint64_t begun_ms; /* the last fetch; 0: none yet */
    uint64_t due_ms;   /* the next one that nobody asks for */
    uint64_t wait_ms;  /* before the next try after a failure; 0: the last one was good */
    struct jwks *jwks; /* reference; NULL: none yet */
    uint64_t document; /* hash of the one that `jwks` was read from */
};

/* --- what is fetched --- */

static void on_skipped(void *context, struct slice kid, const char *reason, bool is_fault)
{
    (void)context;
    if (is_fault)
        log_warn("jwks_key_skipped", LOG_SLICE("kid", kid), LOG_TEXT("reason", reason));
    else
        log_debug("jwks_key_skipped", LOG_SLICE("kid", kid), LOG_TEXT("reason", reason));
}

/* The kids of what is in `jwks` and not in `other`; "-" for a key without. */
static void list_news(const struct jwks *jwks, const struct jwks *other, struct buffer *names)
{
    for (size_t i = 0; jwks && i < jwks_count(jwks); i++) {
        const char *kid = jwks_kid(jwks, i);
        if (jwks_has(other, jwks, i))
            continue;
        if (names->len > 0)
            buffer_append_char(names, ' ');
        buffer_append_text(names, kid ? kid : "-");
    }
}

static void tell_change(const struct jwks *before, const struct jwks *now)
{
    struct buffer added, removed;

    buffer_init(&added, NAMES_MAX);
    buffer_init(&removed, NAMES_MAX);
    list_news(now, before, &added);
    list_news(before, now, &removed);
    if (added.len > 0 || removed.len > 0)
        log_info("jwks_changed", LOG_U64("keys", jwks_count(now)), LOG_SLICE("added", buffer_slice(&added)),
                 LOG_SLICE("removed", buffer_slice(&removed)));
    buffer_fini(&added);
    buffer_fini(&removed);
}

static void take_keys(struct issuer *issuer, struct jwks *jwks, uint64_t document)
{
    token_verifier_set_issued(issuer->options.verifier, jwks);
    tell_change(issuer->jwks, jwks);
    jwks_unref(&issuer->jwks);
    issuer->jwks = jwks;
    issuer->document = document;
    atomic_store(&issuer->is_loaded, true);
    metrics_set(METRIC_JWKS_KEYS, (int64_t)jwks_count(jwks));
}

/* NULL, or what is wrong with the document: static. */
static const char *take_document(struct issuer *issuer, struct slice text)
{
    static const struct jwks_skipped skipped = {.tell = on_skipped};
    uint64_t document = hash_bytes_64(text.data, text.len);
    struct jwks *jwks = NULL;

    if (issuer->jwks && document == issuer->document)
        return NULL;
    enum err err = jwks_parse(text, &skipped, &jwks);
    if (err == ERR_TOO_BIG)
        return "the document holds more than 64 keys";
    if (err != ERR_OK)
        return err == ERR_NO_MEMORY ? err_text(err) : "the document is no JWK Set (RFC 7517 section 5)";
    if (jwks_count(jwks) > 0) {
        take_keys(issuer, jwks, document);
        return NULL;
    }
    jwks_unref(&jwks);
    return "the document holds no key that can be used";
}

/* --- when --- */

/* Less up to a quarter, so that nodes that began together do not come together. */
static uint64_t scatter(uint64_t ms)
{
    return ms - random_below((uint32_t)(ms / 4) + 1);
}

static uint64_t refresh_ms(const struct issuer *issuer, const struct https_answer *answer)
{
    uint64_t most_ms = issuer->options.config->auth_jwks_refresh_s * 1000;
    uint64_t fresh_ms = answer->has_max_age ? answer->max_age_s * 1000 : most_ms;

    if (fresh_ms < ISSUER_FRESH_MIN_MS)
        fresh_ms = ISSUER_FRESH_MIN_MS;
    return fresh_ms < most_ms ? fresh_ms : most_ms;
}

static void note_success(struct issuer *issuer, const struct https_answer *answer)
{
    if (issuer->wait_ms > 0)
        log_info("jwks_recovered", LOG_U64("keys", jwks_count(issuer->jwks)));
    issuer->wait_ms = 0;
    issuer->due_ms = issuer->begun_ms + scatter(refresh_ms(issuer, answer));
    metrics_inc(METRIC_JWKS_FETCHED);
    metrics_set(METRIC_JWKS_FETCHED_AT, (int64_t)(clock_wall_ms() / 1000));
}

static void note_failure(struct issuer *issuer, enum metric result, const char *problem)
{
    static struct log_limit limit = LOG_LIMIT(60000);
    uint64_t suppressed;
    uint64_t wait_ms = issuer->wait_ms == 0 ? RETRY_MIN_MS : issuer->wait_ms * 2;
    bool is_first = issuer->wait_ms == 0;

    issuer->wait_ms = wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS;
    issuer->due_ms = clock_monotonic_ms() + scatter(issuer->wait_ms);
    metrics_inc(result);
    bool may_log = log_limit_pass(&limit, clock_monotonic_ms(), &suppressed);
    if (is_first || may_log)
        log_warn("jwks_failed", LOG_TEXT("url", issuer->options.config->auth_jwks_url),
                 LOG_TEXT("reason", problem), LOG_U64("keys", issuer->jwks ? jwks_count(issuer->jwks) : 0),
                 LOG_TEXT("until_then", issuer->jwks ? "the keys of the last fetch" : "there are no keys"),
                 LOG_U64("suppressed", may_log ? suppressed : 0));
}

/* --- the thread --- */

static enum metric result_of(enum err err)
{
    return err == ERR_MISMATCH  ? METRIC_JWKS_STATUS
           : err == ERR_TOO_BIG ? METRIC_JWKS_UNUSABLE
                                : METRIC_JWKS_UNREACHABLE;
}

/* False: it failed. */
static bool fetch(struct issuer *issuer)
{
    struct https_answer answer;
    struct buffer body;

    buffer_init(&body, JWKS_MAX_BYTES);
    enum err err = https_client_get(issuer->client, &body, &answer);
    const char *fault = err == ERR_OK ? take_document(issuer, buffer_slice(&body)) : answer.problem;
    if (!fault)
        note_success(issuer, &answer);
    else if (err != ERR_BUSY) /* stopped */
        note_failure(issuer, err == ERR_OK ? METRIC_JWKS_UNUSABLE : result_of(err), fault);
    buffer_fini(&body);
    return !fault;
}

/* When the next fetch may begin. Under lock. */
static uint64_t next_ms(const struct issuer *issuer)
{
    uint64_t rested_ms = issuer->begun_ms + ISSUER_REST_MS;

    if (issuer->is_ordered || issuer->begun_ms == 0)
        return 0;
    return issuer->is_wanted && rested_ms < issuer->due_ms ? rested_ms : issuer->due_ms;
}

static void wait_until(struct issuer *issuer, uint64_t ms)
{
    const struct timespec until = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    pthread_cond_timedwait(&issuer->changed, &issuer->lock, &until);
}

/* Returns when a fetch is due, which it counts as begun; false: it is to end. */
static bool wait_for_turn(struct issuer *issuer)
{
    uint64_t at_ms;

    pthread_mutex_lock(&issuer->lock);
    while (!issuer->stopping && (at_ms = next_ms(issuer)) > clock_monotonic_ms())
        wait_until(issuer, at_ms);
    bool goes_on = !issuer->stopping;
    issuer->begun += goes_on;
    issuer->is_wanted = issuer->is_ordered = false;
    pthread_mutex_unlock(&issuer->lock);
    return goes_on;
}

static void *run(void *context)
{
    struct issuer *issuer = context;

    while (wait_for_turn(issuer)) {
        issuer->begun_ms = clock_monotonic_ms();
        bool good = fetch(issuer);
        pthread_mutex_lock(&issuer->lock);
        issuer->ended = issuer->begun;
        issuer->has_failed = !good;
        pthread_mutex_unlock(&issuer->lock);
        issuer->options.on_fetched(issuer->options.context);
    }
    return NULL;
}

/* --- who asks --- */

bool issuer_is_loaded(const struct issuer *issuer)
{
    return !issuer || atomic_load(&issuer->is_loaded);
}

uint64_t issuer_want(struct issuer *issuer)
{
    pthread_mutex_lock(&issuer->lock);
    uint64_t number = issuer->begun + 1;
    if (!issuer->is_wanted) {
        issuer->is_wanted = true;
        pthread_cond_signal(&issuer->changed);
    }
    pthread_mutex_unlock(&issuer->lock);
    return number;
}

enum issuer_round issuer_see(struct issuer *issuer, uint64_t number)
{
    pthread_mutex_lock(&issuer->lock);
    enum issuer_round round = issuer->ended < number ? ISSUER_NOT_YET
                              : issuer->has_failed   ? ISSUER_FAILED
                                                     : ISSUER_FETCHED;
    pthread_mutex_unlock(&issuer->lock);
    return round;
}

void issuer_refetch(struct issuer *issuer)
{
    if (!issuer)
        return;
    pthread_mutex_lock(&issuer->lock);
    issuer->is_ordered = true;
    pthread_cond_signal(&issuer->changed);
    pthread_mutex_unlock(&issuer->lock);
}

/* --- life --- */

static enum err make_client(struct issuer *issuer, char *problem)
{
    const struct config *config = issuer->options.config;
    const struct https_client_options options = {
        .url = config->auth_jwks_url,
        .ca_file = config->auth_jwks_ca_file,
        .connect_timeout_ms = ISSUER_CONNECT_TIMEOUT_MS,
        .timeout_ms = ISSUER_TIMEOUT_MS,
    };
    enum err err = https_client_new(&options, &issuer->client);
    if (err != ERR_OK)
        snprintf(problem, 256, "auth.jwks_url = \"%.128s\": %s", config->auth_jwks_url, err_text(err));
    return err;
}

enum err issuer_new(const struct issuer_options *options, struct issuer **ret_issuer, char *problem)
{
    struct issuer *issuer = calloc(1, sizeof *issuer);
    if (!issuer)
        return ERR_NO_MEMORY;
    issuer->options = *options;
    pthread_mutex_init(&issuer->lock, NULL);
    condition_init_monotonic(&issuer->changed);
    enum err err = make_client(issuer, problem);
    if (err != ERR_OK) {
        issuer_free(&issuer);
        return err;
    }
    if (https_client_is_exposed(options->config->auth_jwks_url))
        log_warn("jwks_exposed", LOG_TEXT("url", options->config->auth_jwks_url),
                 LOG_TEXT("meaning",
                          "keys come without TLS: whoever is on the way can give his own, and sign "
                          "tokens; use https"));
    *ret_issuer = issuer;
    return ERR_OK;
}

enum err issuer_start(struct issuer *issuer)
{
    if (pthread_create(&issuer->thread, NULL, run, issuer) != 0)
        return ERR_IO;
    issuer->started = true;
    return ERR_OK;
}

void issuer_stop(struct issuer *issuer)
{
    if (!issuer || !issuer->started)
        return;
    pthread_mutex_lock(&issuer->lock);
    issuer->stopping = true;
    pthread_cond_signal(&issuer->changed);
    pthread_mutex_unlock(&issuer->lock);
    https_client_stop(issuer->client);
    pthread_join(issuer->thread, NULL);
    issuer->started = false;
}

void issuer_free(struct issuer **pointer)
{
    struct issuer *issuer = *pointer;
    if (!issuer)
        return;
    https_client_free(&issuer->client);
    jwks_unref(&issuer->jwks);
    pthread_cond_destroy(&issuer->changed);
    pthread_mutex_destroy(&issuer->lock);
    free(issuer);
    *pointer = NULL;
}
