#include "top_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/log.h>
#include <roomcast/config/config.h>
#include <roomcast/top/top.h>

#include "commands.h"
#include "nats_access.h"

#define INTERVAL_DEFAULT_S 2

struct arguments {
    const char *admin, *interval, *sort;
    bool once, json;
};

#define AT(field) offsetof(struct arguments, field)
static const struct command_flag flags[] = {
    {"--admin", COMMAND_TEXT, "LIST",
     "ask the admin listeners of these nodes (GET /cluster) instead of listening on NATS", AT(admin)},
    {"--interval", COMMAND_TEXT, "S", "seconds between two looks, 1 to 60 (default 2)", AT(interval)},
    {"--sort", COMMAND_TEXT, "name|connections|cpu", "order of the nodes (default name)", AT(sort)},
    {"--once", COMMAND_NO_VALUE, NULL,
     "one look, as soon as everybody has been heard twice; exit status 1 when nobody was", AT(once)},
    {"--json", COMMAND_NO_VALUE, NULL, "a line of JSON for each look", AT(json)},
};

/* One word of the list: host:port, or the URL that a browser would take. */
static bool parse_admin(char *word, struct top_address *ret_address)
{
    char *address = strncmp(word, "http://", 7) == 0 ? word + 7 : word;
    address[strcspn(address, "/")] = '\0';
    if (config_split_address(address, ret_address->host, &ret_address->port) == ERR_OK &&
        ret_address->port > 0)
        return true;
    fprintf(stderr, "roomcast top: --admin: \"%s\" is not host:port\n", word);
    return false;
}

static bool parse_admins(const char *list, struct top_address *addresses, size_t *ret_count)
{
    char *text = strdup(list), *rest = NULL;
    size_t count = 0;
    bool is_right = text != NULL;
    for (char *word = text ? strtok_r(text, ",", &rest) : NULL; word && is_right;
         word = strtok_r(NULL, ",", &rest)) {
        is_right = count < TOP_ADMINS_MAX && parse_admin(word, &addresses[count]);
        if (count == TOP_ADMINS_MAX)
            fprintf(stderr, "roomcast top: --admin: more than %d addresses\n", TOP_ADMINS_MAX);
        count++;
    }
    if (is_right && count == 0)
        fprintf(stderr, "roomcast top: --admin: no address\n");
    free(text);
    *ret_count = count;
    return is_right && count > 0;
}

static bool parse_order(const char *text, enum top_order *ret_order)
{
    static const char *const names[] = {
        [TOP_BY_NAME] = "name", [TOP_BY_CONNECTIONS] = "connections", [TOP_BY_CPU] = "cpu"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_order = (enum top_order)i;
            return true;
        }
    }
    fprintf(stderr, "roomcast top: --sort = \"%s\": must be name, connections or cpu\n", text);
    return false;
}

static int run(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct top_address admins[TOP_ADMINS_MAX];
    struct top_options options = {.admins = admins};
    uint64_t interval_s = INTERVAL_DEFAULT_S;
    if (!command_take_flags(&top_command, &arguments, &argc, argv) ||
        (arguments.admin && !parse_admins(arguments.admin, admins, &options.admins_count)) ||
        !command_parse_number(&top_command, "--interval", arguments.interval, TOP_INTERVAL_MAX_S,
                              &interval_s) ||
        (arguments.sort && !parse_order(arguments.sort, &options.order)))
        return 2;
    const struct config_request request = {
        .program = CONFIG_NODE, .check = nats_seal_check, .try_out = nats_access_try_out};
    struct config *config;
    int status;
    if (!command_configure(&top_command, request, argc, argv, &config, &status))
        return status;
    log_init(LOG_ERROR, LOG_LOGFMT, NULL); /* the screen says whether NATS is there */
    options.interval_s = (unsigned)interval_s;
    options.nats_urls = (const char *const *)config->nats_url.items;
    options.nats_urls_count = config->nats_url.count;
    struct bus_nats_access access;
    struct nats_seal seal;
    if (nats_seal_init(&seal, config) != ERR_OK) {
        fprintf(stderr, "roomcast top: out of memory\n");
        config_free(&config);
        return 1;
    }
    nats_access_fill(config, &seal, &access);
    options.nats_access = &access;
    options.prefix = config->nats_prefix;
    options.stream = config->stream_name;
    options.shards = (unsigned)config->stream_shards;
    options.as_json = arguments.json;
    options.once = arguments.once;
    status = top_run(&options);
    nats_seal_fini(&seal);
    config_free(&config);
    return status;
}

const struct command top_command = {
    .name = "top",
    .title = "watch the nodes and relays of a cluster, by the heartbeats they send on NATS",
    .usage =
        "[--admin HOST:PORT,...] [--interval S] [--sort name|connections|cpu] [--once] [--json] [options]",
    .flags = flags,
    .flags_count = sizeof flags / sizeof flags[0],
    .notes = "Keys: q ends it, n, c and p sort by name, connections and CPU, space looks at once.",
    .has_options = true,
    .options = "nats.",
    .run = run,
};
