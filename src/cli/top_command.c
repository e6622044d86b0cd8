#include "top_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/log.h>
#include <roomcast/config/config.h>
#include <roomcast/top/top.h>

#include "own_arguments.h"

#define INTERVAL_DEFAULT_S 2

extern char **environ;

static const char summary[] =
    "roomcast top: watch the nodes and relays of a cluster, by the heartbeats they send on NATS\n"
    "\n"
    "usage: roomcast top [--interval S] [--sort name|connections|cpu] [--once] [--json] [options]\n"
    "\n"
    "  --interval S  seconds between two looks, 1 to 60 (default 2)\n"
    "  --sort BY     order of the nodes: name (default), connections or cpu\n"
    "  --once        one look, as soon as everybody has been heard twice; exit status 1 when nobody was\n"
    "  --json        a line of JSON for each look\n"
    "\n"
    "Keys: q ends it, n, c and p sort by name, connections and CPU, space looks at once. Of the options "
    "below\n"
    "only nats.url, nats.prefix and what is said about reading options matter here.\n";

struct arguments {
    const char *interval, *sort;
    bool once, json;
};

static bool take_arguments(int *argc, char **argv, struct arguments *arguments)
{
    const struct own_flag flags[] = {
        {.flag = "--interval", .value = &arguments->interval},
        {.flag = "--sort", .value = &arguments->sort},
        {.flag = "--once", .is_set = &arguments->once},
        {.flag = "--json", .is_set = &arguments->json},
    };
    return own_arguments_take("top", flags, sizeof flags / sizeof flags[0], argc, argv);
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
    struct top_options options = {.interval_s = INTERVAL_DEFAULT_S};
    if (!take_arguments(&argc, argv, &arguments) ||
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
    log_init(LOG_ERROR, LOG_LOGFMT, NULL); /* the screen says whether NATS is there */
    options.nats_urls = (const char *const *)config->nats_url.items;
    options.nats_urls_count = config->nats_url.count;
    options.prefix = config->nats_prefix;
    options.stream = config->stream_name;
    options.as_json = arguments.json;
    options.once = arguments.once;
    int status = top_run(&options);
    config_free(&config);
    return status;
}
