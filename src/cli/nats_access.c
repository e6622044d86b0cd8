#include "nats_access.h"

#include <string.h>

#include <roomcast/base/log.h>

void nats_access_fill(const struct config *config, const struct nats_seal *seal,
                      struct bus_nats_access *access)
{
    *access = (struct bus_nats_access){
        .user = config->nats_user,
        .password = config->nats_password,
        .token = config->nats_token,
        .credentials_file = config->nats_credentials_file,
        .nkey_seed_file = config->nats_nkey_seed_file,
        .ca_file = config->nats_ca_file,
        .cert_file = config->nats_cert_file,
        .key_file = config->nats_key_file,
        .seal = nats_seal_get(seal),
    };
}

struct bus_nats_options nats_access_options(const struct config *config, const struct bus_nats_access *access)
{
    return (struct bus_nats_options){
        .urls = (const char *const *)config->nats_url.items,
        .urls_count = config->nats_url.count,
        .access = access,
        .name = config->node_name,
        .prefix = config->nats_prefix,
        .stream = config->stream_name,
        .shards = (unsigned)config->stream_shards,
    };
}

bool nats_access_try_out(const struct config *config, char *problem)
{
    struct bus_nats_access access;
    const struct nats_seal unsealed = {.seal = NULL};
    nats_access_fill(config, &unsealed, &access);
    const struct bus_nats_options options = nats_access_options(config, &access);
    return bus_nats_check(&options, problem) == ERR_OK;
}

/* The host of "scheme://[user:password@]host...": a name other than localhost may be anywhere. */
static bool is_loopback(const char *url)
{
    const char *host = strstr(url, "://"), *at = strrchr(url, '@');

    if (at)
        host = at + 1;
    else if (host)
        host += 3;
    else
        host = url;
    size_t name_len = strcspn(host, ":/");
    return (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == name_len) ||
           strncmp(host, "[::1]", 5) == 0 || (name_len == 9 && strncmp(host, "localhost", 9) == 0);
}

/* One tls:// is TLS with all. */
static bool is_nats_exposed(const struct config_list *urls)
{
    bool exposed = false;

    for (size_t i = 0; i < urls->count; i++) {
        if (strncmp(urls->items[i], "tls://", 6) == 0)
            return false;
        exposed = exposed || !is_loopback(urls->items[i]);
    }
    return exposed;
}

void nats_access_warn(const struct config *config, bool with_redis)
{
    if (is_nats_exposed(&config->nats_url))
        log_warn("nats_plaintext",
                 LOG_TEXT("problem", "NATS is spoken to over a network without TLS: whoever "
                                     "is on the way reads and changes everything"));
    bool reads_redis = config->redis_stream[0] != '\0' || config->redis_patterns.count > 0;
    if (with_redis && reads_redis && !is_loopback(config->redis_url))
        log_warn("redis_plaintext",
                 LOG_TEXT("problem", "Redis is spoken to over a network without TLS: whoever "
                                     "is on the way reads and changes everything"));
}
