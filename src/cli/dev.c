#include "dev.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/log.h>
#include <roomcast/node/node.h>
#include <roomcast/relay/relay.h>

#include "bus_metrics.h"
#include "mint.h"
#include "revocations_bus.h"
#include "serving.h"
#include "signals.h"

#define DEV_SECRET         "roomcast-development-secret-known-to-everybody"
#define DEV_KEY            "development"
#define DEV_ADMIN_KEY      "roomcast-development"
#define DEV_HISTORY_BYTES  (64u * 1024 * 1024)
#define DEV_TOKEN_LIFETIME (30u * 24 * 3600)

const char *const dev_defaults[] = {
    "listen=127.0.0.1:8080",   "auth.hmac_secret=" DEV_SECRET,
    "authorization.mode=open", "allowed_origins=http://localhost:*,http://127.0.0.1:*",
    "relay.api_key=" DEV_KEY,  "admin.key=" DEV_ADMIN_KEY,
    "relay.lease_ms=0",        "drain.spread_s=0",
    "drain.timeout_s=5",       NULL,
};

static bool is_loopback(const char *address)
{
    char host[256];
    uint16_t port;
    return config_split_address(address, host, &port) == ERR_OK &&
           (strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 || strcmp(host, "localhost") == 0);
}

/* The key is in the source and the chats are open: nobody else may come near it. */
static bool stays_on_loopback(const struct config *config)
{
    const struct {
        const char *key, *address;
    } listeners[] = {{"listen", config->listen},
                     {"admin.listen", config->admin_listen},
                     {"relay.listen", config->relay_listen}};
    bool stays = true;
    for (size_t i = 0; i < sizeof listeners / sizeof listeners[0]; i++) {
        if (is_loopback(listeners[i].address))
            continue;
        fprintf(stderr, "roomcast: %s = \"%s\": --dev listens on loopback only (127.0.0.1, ::1, localhost)\n",
                listeners[i].key, listeners[i].address);
        stays = false;
    }
    return stays;
}

static void print_welcome(const struct config *config, const struct node *node, const struct relay *relay)
{
    char *token = NULL;
    if (config->auth_hmac_secret[0] == '\0' ||
        mint_for(config, "11111111-1111-4111-8111-111111111111", "*", DEV_TOKEN_LIFETIME, &token) != ERR_OK)
        token = NULL;
    printf(
        "roomcast --dev is ready: for development only, every chat is open.\n\n"
        "  WebSocket   %s://127.0.0.1:%u/ws\n"
        "  token       %s\n"
        "              as subprotocols roomcast.v1 and bearer.<token>, or as Authorization: Bearer <token>\n"
        "  then send   {\"type\":\"subscribe.chat\",\"chat_id\":\"22222222-2222-4222-8222-222222222222\"}\n"
        "  publish     curl -X POST http://127.0.0.1:%u/v1/events -H 'Authorization: Bearer %s' -d '"
        "{\"event_type\":\"message.created\",\"payload\":{\"chat_id\":\"22222222-2222-4222-8222-"
        "222222222222\","
        "\"content\":\"Hello\"}}'\n"
        "  metrics     http://127.0.0.1:%u/metrics\n"
        "  console     http://127.0.0.1:%u/console, its key is %s\n\n",
        config->tls_cert_file[0] ? "wss" : "ws", node_port(node), token ? token : "<a token of your own>",
        relay_http_port(relay), config->relay_api_key, node_admin_port(node), node_admin_port(node),
        config->admin_key);
    fflush(stdout);
    free(token);
}

/* The bus inside the process has one event, and it comes before there is a relay. */
static void on_bus_event(void *context, enum bus_event event)
{
    (void)context;
    bus_metrics_on_event(event);
}

static int serve(const struct config *config, struct bus *bus, struct bus *revocations_bus, struct node *node)
{
    char problem[256] = "";
    struct relay_options options = {
        .config = config, .bus = bus, .revocations_bus = revocations_bus, .redis_optional = true};
    struct relay *relay = NULL;
    int status = 0;
    if (node_start(node, bus, revocations_bus, problem) != ERR_OK ||
        relay_start(&options, &relay, problem) != ERR_OK) {
        log_error("start_failed", LOG_TEXT("problem", problem));
        status = 1;
    } else {
        relay_on_bus_event(relay, BUS_EVENT_UP);
        print_welcome(config, node, relay);
        struct serving serving = {.node = node};
        serving_wait(&serving);
        relay_stop(&relay, config->drain_timeout_s * 1000);
        serving_drain(&serving);
    }
    relay_stop(&relay, 0);
    node_stop(node);
    return status;
}

int run_dev(const struct config *config)
{
    if (!stays_on_loopback(config))
        return 2;
    signals_block();
    char problem[256] = "";
    struct node_options options = {.config = config, .metrics = METRIC_BOTH};
    struct node *node;
    if (node_new(&options, &node, problem) != ERR_OK) {
        fprintf(stderr, "roomcast: %s\n", problem);
        return 2;
    }
    struct bus_memory_options bus_options = {.prefix = config->nats_prefix,
                                             .max_bytes = DEV_HISTORY_BYTES,
                                             .shards = (unsigned)config->stream_shards};
    struct bus_callbacks callbacks = {.on_event = on_bus_event};
    struct bus_callbacks silent = {.on_event = NULL};
    struct bus *bus = NULL, *revocations_bus = NULL;
    int status = 1;
    if (bus_memory_new(&bus_options, &callbacks, &bus) == ERR_OK &&
        revocations_bus_memory(config, &silent, &revocations_bus) == ERR_OK)
        status = serve(config, bus, revocations_bus, node);
    else
        fprintf(stderr, "roomcast: out of memory\n");
    bus_free(&bus);
    bus_free(&revocations_bus);
    node_free(&node);
    return status;
}
