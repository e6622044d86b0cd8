/* What a node verifies tokens with: the configured keys, at the start and when they are read again, and the
 * issuer's. */
#include <stdio.h>

#include <roomcast/base/log.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/authz_message.h>

#include "node_internal.h"

#define PEM_MAX_BYTES 65536
#define PROBLEM_SIZE  256

static enum err read_file(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return ERR_IO;
    char chunk[4096];
    size_t len;
    while ((len = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_append(out, chunk, len);
    bool failed = ferror(file) || buffer_failed(out);
    fclose(file);
    return failed ? ERR_IO : ERR_OK;
}

static enum err read_public_key(const struct config *config, struct buffer *pem, char *problem)
{
    if (config->auth_public_key_file[0] == '\0' || read_file(config->auth_public_key_file, pem) == ERR_OK)
        return ERR_OK;
    snprintf(problem, PROBLEM_SIZE, "auth.public_key_file = \"%.128s\": cannot be read, or is over %d bytes",
             config->auth_public_key_file, PEM_MAX_BYTES);
    return ERR_IO;
}

static struct token_options options_of(const struct config *config)
{
    return (struct token_options){
        .hmac_secret = slice_of(config->auth_hmac_secret),
        .hmac_previous = slice_of(config->auth_hmac_secret_previous),
        .has_issuer = config->auth_jwks_url[0] != '\0',
        .issuer = config->auth_issuer,
        .audience = config->auth_audience,
        .user_claim = config->auth_user_claim,
        .chats_claim = config->authorization_claim,
        .leeway_s = config->auth_leeway_s,
        .require_expiry = config->auth_require_expiry,
        .keep_claims_max = config->authorization_mode == AUTHORIZATION_REQUEST ? AUTHZ_CLAIMS_MAX : 0,
    };
}

static void name_options(const char *fault, char *problem)
{
    snprintf(problem, PROBLEM_SIZE, "auth.hmac_secret (or _previous), auth.public_key_file: %.180s", fault);
}

static enum err make_verifier(const struct config *config, struct token_verifier **ret_verifier,
                              char *problem)
{
    struct token_options options = options_of(config);
    struct buffer pem;
    buffer_init(&pem, PEM_MAX_BYTES);
    enum err err = read_public_key(config, &pem, problem);
    if (err == ERR_OK) {
        char fault[PROBLEM_SIZE];
        options.public_key_pem = buffer_slice(&pem);
        err = token_verifier_new(&options, ret_verifier, fault);
        if (err == ERR_CONFIG)
            name_options(fault, problem);
    }
    buffer_fini(&pem);
    return err;
}

enum err node_try_keys(const struct config *config, char *problem)
{
    struct token_verifier *verifier = NULL;
    snprintf(problem, PROBLEM_SIZE, "out of memory");
    enum err err = make_verifier(config, &verifier, problem);
    token_verifier_free(&verifier);
    return err;
}

static void on_fetched(void *context)
{
    struct node *node = context;
    for (unsigned i = 0; i < node->workers_count; i++)
        worker_look_again(node->workers[i]);
}

enum err node_keys_init(struct node *node, char *problem)
{
    enum err err = make_verifier(node->shared.config, &node->shared.verifier, problem);
    if (err != ERR_OK || node->shared.config->auth_jwks_url[0] == '\0')
        return err;
    const struct issuer_options options = {
        .config = node->shared.config,
        .verifier = node->shared.verifier,
        .on_fetched = on_fetched,
        .context = node,
    };
    return issuer_new(&options, &node->shared.issuer, problem);
}

enum err node_keys_start(struct node *node, char *problem)
{
    if (!node->shared.issuer)
        return ERR_OK;
    snprintf(problem, PROBLEM_SIZE, "the thread that fetches auth.jwks_url cannot be started");
    return issuer_start(node->shared.issuer);
}

bool node_keys_are_there(const struct node *node)
{
    const struct config *config = node->shared.config;
    return issuer_is_loaded(node->shared.issuer) || config->auth_hmac_secret[0] != '\0' ||
           config->auth_public_key_file[0] != '\0';
}

/* --- once more --- */

/* What is new of the configured keys; secrets NULL: not from files, so as they were. */
struct fresh {
    char *secret, *previous; /* owned, wiped */
    struct buffer pem;
};

static enum err reread(const struct config *config, const char *key, char **ret_secret, char *problem)
{
    enum err err = config_reread_secret(config, key, ret_secret, problem);
    return err == ERR_MISSING ? ERR_OK : err;
}

static enum err read_again(const struct config *config, struct fresh *fresh, char *problem)
{
    enum err err = reread(config, "auth.hmac_secret", &fresh->secret, problem);
    if (err == ERR_OK)
        err = reread(config, "auth.hmac_secret_previous", &fresh->previous, problem);
    return err == ERR_OK ? read_public_key(config, &fresh->pem, problem) : err;
}

static enum err replace(struct node *node, const struct fresh *fresh, char *problem)
{
    struct token_options options = options_of(node->shared.config);
    char fault[PROBLEM_SIZE];
    if (fresh->secret)
        options.hmac_secret = slice_of(fresh->secret);
    if (fresh->previous)
        options.hmac_previous = slice_of(fresh->previous);
    options.public_key_pem = buffer_slice(&fresh->pem);
    enum err err = token_verifier_set_keys(node->shared.verifier, &options, fault);
    if (err == ERR_CONFIG)
        name_options(fault, problem);
    return err;
}

void node_keys_reload(struct node *node)
{
    char problem[PROBLEM_SIZE] = "out of memory";
    struct fresh fresh = {.secret = NULL};
    buffer_init(&fresh.pem, PEM_MAX_BYTES);
    enum err err = read_again(node->shared.config, &fresh, problem);
    if (err == ERR_OK)
        err = replace(node, &fresh, problem);
    secret_free(&fresh.secret);
    secret_free(&fresh.previous);
    buffer_fini(&fresh.pem);
    metrics_inc(err == ERR_OK ? METRIC_KEY_RELOADS_OK : METRIC_KEY_RELOADS_FAILED);
    if (err == ERR_OK)
        log_info("keys_reloaded", LOG_BOOL("fetches_jwks", node->shared.issuer != NULL));
    else
        log_warn("keys_not_reloaded", LOG_TEXT("problem", problem),
                 LOG_TEXT("until_then", "the keys before"));
    issuer_refetch(node->shared.issuer);
}
