#include "top_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/log.h>
#include <roomcast/config/config.h>
#include <roomcast/top/top.h>

#include "nats_access.h"
#include "own_arguments.h"

#define INTERVAL_DEFAULT_S 2

extern char **environ;

static const char summary[] =
    "roomcast top: watch the nodes and relays of a cluster, by the heartbeats they send on NATS\n"
    "\n"
    "usage: roomcast top [--admin HOST:PORT,...] [--interval S] [--sort name|connections|cpu] [--once]\n"
    "                    [--json] [options]\n"
    "\n"
    "  --admin LIST  ask the admin listeners of these nodes (GET /cluster) instead of listening on NATS\n"
    "  --interval S  seconds between two looks, 1 to 60 (default 2)\n"
    "  --sort BY     order of the nodes: name (default), connections or cpu\n"
    "  --once        one look, as soon as everybody has been heard twice; exit status 1 when nobody was\n"
    "  --json        a line of JSON for each look\n"
    "\n"
    "Keys: q ends it, n, c and p sort by name, connections and CPU, space looks at once. Of the options "
    "below\n"
    "only nats.* and what is said about reading options matter here.\n";

struct arguments {
    const char *admin, *interval, *sort;
    bool once, json;
};

static bool take_arguments(int *argc, char **argv, struct arguments *arguments)
{
    const struct own_flag flags[] = {
        {.flag = "--admin", .value = &arguments->admin},
        {.flag = "--interval", .value = &arguments->interval},
        {.flag = "--sort", .value = &arguments->sort},
        {.flag = "--once", .is_set = &arguments->once},
        {.flag = "--json", .is_set = &arguments->json},
    };
    return own_arguments_take("top", flags, sizeof flags / sizeof flags[0], argc, argv);
}

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

static bool parse_interval(const char *text, unsigned *ret_seconds)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > TOP_INTERVAL_MAX_S) {
        fprintf(stderr, "roomcast top: --interval = \"%s\": must be a whole number of seconds from 1 to %d\n",
                text, TOP_INTERVAL_MAX_S);
        return false;
    }
    *ret_seconds = (unsigned)value;
    return true;
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

int top_command(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct top_address admins[TOP_ADMINS_MAX];
    struct top_options options = {.admins = admins, .interval_s = INTERVAL_DEFAULT_S};
    if (!take_arguments(&argc, argv, &arguments) ||
        (arguments.admin && !parse_admins(arguments.admin, admins, &options.admins_count)) ||
        (arguments.interval && !parse_interval(arguments.interval, &options.interval_s)) ||
        (arguments.sort && !parse_order(arguments.sort, &options.order)))
        return 2;
    struct config_request request = {
        .program = CONFIG_NODE,
        .name = "roomcast top",
        .version = ROOMCAST_VERSION,
        .summary = summary,
        .argc = argc,
        .argv = argv,
        .environment = environ,
        .output = stdout,
        .errors = stderr,
        .check = nats_seal_check,
        .try_out = nats_access_try_out,
    };
    struct config *config;
    switch (config_load(&request, &config)) {
    case CONFIG_DONE:
        return 0;
    case CONFIG_WRONG:
        return 2;
    case CONFIG_RUN:
        break;
    }
    config_forget_sources(&request);
    log_init(LOG_ERROR, LOG_LOGFMT, NULL); /* the screen says whether NATS is there */
    options.nats_urls = (const char *const *)config->nats_url.items;
    options.nats_urls_count = config->nats_url.count;
    struct bus_nats_access access;
    struct nats_seal seal;
    if (nats_seal_init(&seal, config) != ERR_OK) {
        fprintf(stderr, "roomcast top: %s\n", "out of memory");
        return 1;
    }
    nats_access_fill(config, &seal, &access);
    options.nats_access = &access;
    options.prefix = config->nats_prefix;
    options.stream = config->stream_name;
    options.as_json = arguments.json;
    options.once = arguments.once;
    int status = top_run(&options);
    nats_seal_fini(&seal);
    config_free(&config);
    return status;
}
