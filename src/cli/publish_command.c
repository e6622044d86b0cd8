#include "publish_command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <roomcast/base/log.h>
#include <roomcast/base/text.h>
#include <roomcast/base/uuid.h>
#include <roomcast/config/config.h>
#include <roomcast/io/https_client.h>
#include <roomcast/publish/publish.h>
#include <roomcast/relay/relay.h>

#include "commands.h"
#include "dev.h"
#include "nats_access.h"

#define CHAT_TYPE "message.posted"
#define USER_TYPE "notification.created"

struct arguments {
    const char *chat, *user, *type, *data, *event_id, *redis, *relay, *ca;
    bool lines, nats, dev;
};

#define AT(field) offsetof(struct arguments, field)
static const struct command_flag flags[] = {
    {"--chat", COMMAND_TEXT, "ID", "the chat that it goes to, a UUID", AT(chat)},
    {"--user", COMMAND_TEXT, "U", "the user whom it notifies, instead of a chat", AT(user)},
    {"--type", COMMAND_TEXT, "TYPE", "its event type (default " CHAT_TYPE ", with --user " USER_TYPE ")",
     AT(type)},
    {"--data", COMMAND_TEXT, "JSON|@FILE|-",
     "its payload: JSON text, @ and the name of a file with it, or - for standard input (default {})",
     AT(data)},
    {"--event-id", COMMAND_TEXT, "ID",
     "what names it: a repetition within stream.dedup_s is stored once (default: a new UUID)", AT(event_id)},
    {"--lines", COMMAND_NO_VALUE, NULL,
     "an event for each line of standard input: its payload, with --chat or --user; else a whole event",
     AT(lines)},
    {"--redis", COMMAND_TEXT, "URL", "to the stream redis.stream there (default redis.url)", AT(redis)},
    {"--relay", COMMAND_TEXT, "URL", "to the relay that listens there, http://host:port, with relay.api_key",
     AT(relay)},
    {"--nats", COMMAND_NO_VALUE, NULL,
     "to the active relay by request on NATS, nats.url, when its relay.nats_requests is true", AT(nats)},
    {"--ca", COMMAND_FILE, "FILE",
     "whom to trust at an https:// relay, PEM (default: the system's authorities)", AT(ca)},
    {"--dev", COMMAND_NO_VALUE, NULL, "to a `roomcast --dev` on this machine, with its key", AT(dev)},
};

static bool wrong(const char *what)
{
    fprintf(stderr, "roomcast publish: %s (roomcast publish --help)\n", what);
    return false;
}

static bool check_texts(const struct arguments *arguments)
{
    const char *const texts[] = {arguments->chat, arguments->user, arguments->type, arguments->event_id};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i] && (texts[i][0] == '\0' || !text_is_plain(slice_of(texts[i]))))
            return wrong(
                "--chat, --user, --type and --event-id must not be empty or hold control characters");
    }
    struct uuid chat;
    if (!arguments->chat || uuid_parse(slice_of(arguments->chat), &chat) == ERR_OK)
        return true;
    fprintf(stderr,
            "roomcast publish: --chat %s: a chat's id is a UUID, as 22222222-2222-4222-8222-222222222222\n",
            arguments->chat);
    return false;
}

static bool check_arguments(struct arguments *arguments)
{
    bool has_target = arguments->chat || arguments->user;

    if (arguments->chat && arguments->user)
        return wrong("--chat and --user: an event goes to one of them");
    if (!!arguments->redis + !!arguments->relay + arguments->nats > 1)
        return wrong("--redis, --relay and --nats: an event goes one of these ways");
    if (arguments->nats && arguments->dev)
        return wrong("--nats: with --dev there is no NATS");
    if (arguments->lines && (arguments->data || arguments->event_id))
        return wrong("--lines: data and ids come from the lines, not from --data and --event-id");
    if (arguments->lines && !has_target && arguments->type)
        return wrong("--type without --chat and --user: with --lines each line is a whole event then");
    if (!arguments->lines && !has_target)
        return wrong("where does it go? --chat or --user is missing");
    if (has_target && !arguments->type)
        arguments->type = arguments->chat ? CHAT_TYPE : USER_TYPE;
    return check_texts(arguments);
}

/* Other users see the arguments of every process: what is said there is no secret. */
static void warn_of_secrets(int argc, char **argv, const struct arguments *arguments)
{
    static const struct {
        const char *argument, *variable;
    } secrets[] = {
        {"--relay-api-key", "ROOMCAST_RELAY_API_KEY"},
        {"--nats-password", "ROOMCAST_NATS_PASSWORD"},
        {"--nats-token", "ROOMCAST_NATS_TOKEN"},
    };
    for (int i = 0; i < argc; i++) {
        for (size_t j = 0; j < sizeof secrets / sizeof secrets[0]; j++) {
            size_t len = strlen(secrets[j].argument);
            if (strncmp(argv[i], secrets[j].argument, len) == 0 &&
                (argv[i][len] == '=' || argv[i][len] == '\0'))
                fprintf(stderr,
                        "roomcast publish: warning: a secret among the arguments can be seen by others (ps); "
                        "give it by %s or %s-file\n",
                        secrets[j].variable, secrets[j].argument);
        }
    }
    if (arguments->redis && strchr(arguments->redis, '@'))
        fputs(
            "roomcast publish: warning: a password among the arguments can be seen by others (ps); give the "
            "address by ROOMCAST_REDIS_URL or in the configuration file\n",
            stderr);
}

static enum err read_all(FILE *input, size_t max, struct buffer *out)
{
    char chunk[16384];

    buffer_init(out, max);
    for (size_t len; (len = fread(chunk, 1, sizeof chunk, input)) > 0 && !buffer_failed(out);)
        buffer_append(out, chunk, len);
    return ferror(input) ? ERR_IO : buffer_failed(out) ? ERR_TOO_BIG : ERR_OK;
}

/* What --data means. `out` is the caller's in any case. */
static bool read_data(const char *data, size_t max, struct buffer *out)
{
    buffer_init(out, max);
    if (!data || (data[0] != '@' && strcmp(data, "-") != 0)) {
        buffer_append_text(out, data ? data : "{}");
        return buffer_failed(out) ? wrong("--data: more than relay.max_event_bytes") : true;
    }
    FILE *input = data[0] == '@' ? fopen(data + 1, "re") : stdin;
    enum err err = input ? read_all(input, max, out) : ERR_MISSING;
    if (input && input != stdin)
        fclose(input);
    if (err == ERR_OK)
        return true;
    fprintf(stderr, "roomcast publish: --data %s: %s\n", data,
            err == ERR_MISSING   ? "there is no such file that can be read"
            : err == ERR_TOO_BIG ? "more than relay.max_event_bytes"
                                 : "cannot be read");
    return false;
}

static int publish(const struct config *config, const struct arguments *arguments, const char *relay,
                   const struct event_map *map)
{
    const struct nats_seal unsealed = {.seal = NULL}; /* the subject is none that is sealed */
    struct bus_nats_access access;
    nats_access_fill(config, &unsealed, &access);
    struct bus_nats_options nats = nats_access_options(config, &access);
    nats.name = "roomcast publish";
    nats.inbox = "_INBOX_publisher"; /* others' answers need not be open to it: cluster/nats/roomcast.conf */
    const struct publish_options options = {
        .redis_url = arguments->redis ? arguments->redis : config->redis_url,
        .redis_stream = config->redis_stream,
        .relay_url = relay,
        .nats = arguments->nats ? &nats : NULL,
        .relay_key = config->relay_api_key,
        .ca_file = arguments->ca ? arguments->ca : "",
        .map = map,
        .chat = arguments->chat,
        .user = arguments->user,
        .type = arguments->type,
        .event_id = arguments->event_id,
        .max_event_bytes = (size_t)config->relay_max_event_bytes,
    };
    struct buffer data;

    if (arguments->lines)
        return (int)publish_lines(&options, stdin);
    int status = PUBLISH_WRONG;
    if (read_data(arguments->data, options.max_event_bytes, &data))
        status = (int)publish_one(&options, buffer_slice(&data));
    buffer_fini(&data);
    return status;
}

/* False: what to set was said. */
static bool check_way(const struct config *config, const struct arguments *arguments, const char *relay)
{
    if (arguments->nats)
        return true;
    if (!relay && config->redis_stream[0] == '\0')
        return wrong("redis.stream is empty: there is no stream to add to; publish by --relay or --nats");
    if (relay && config->relay_api_key[0] == '\0')
        return wrong("--relay needs the relay's key: set ROOMCAST_RELAY_API_KEY or --relay-api-key-file");
    if (relay && https_client_is_exposed(relay))
        fprintf(stderr, "roomcast publish: warning: the key goes to another machine without TLS\n");
    return true;
}

static int publish_configured(const struct config *config, const struct arguments *arguments)
{
    char dev_relay[300];
    const char *relay = arguments->relay;
    struct event_map *map = NULL;

    snprintf(dev_relay, sizeof dev_relay, "http://%.280s", config->relay_listen);
    if (arguments->dev && !arguments->redis && !relay)
        relay = dev_relay;
    if (!check_way(config, arguments, relay))
        return PUBLISH_WRONG;
    if (relay_event_map(config, &map) != ERR_OK) {
        fprintf(stderr, "roomcast publish: out of memory\n");
        return PUBLISH_FAILED;
    }
    int status = publish(config, arguments, relay, map);
    event_map_free(&map);
    return status;
}

static int run(int argc, char **argv)
{
    struct arguments arguments = {0};
    if (!command_take_flags(&publish_command, &arguments, &argc, argv))
        return PUBLISH_WRONG;
    warn_of_secrets(argc, argv, &arguments);
    const struct config_request request = {.program = CONFIG_RELAY,
                                           .overrides = arguments.dev ? dev_defaults : NULL};
    struct config *config;
    int status;
    if (!command_configure(&publish_command, request, argc, argv, &config, &status))
        return status;
    log_init(LOG_ERROR, LOG_LOGFMT, NULL);
    signal(SIGPIPE, SIG_IGN); /* who hangs up, or reads no results, is told of */
    status = check_arguments(&arguments) ? publish_configured(config, &arguments) : PUBLISH_WRONG;
    config_free(&config);
    return status;
}

const struct command publish_command = {
    .name = "publish",
    .title = "publish a domain event, or many, by Redis, HTTP or NATS",
    .usage = "--chat ID [--type TYPE] [--data JSON] [--redis URL | --relay URL | --nats] [options]\n"
             "--user U [--type TYPE] [--data JSON] [--redis URL | --relay URL | --nats] [options]\n"
             "--lines [--chat ID | --user U] [--redis URL | --relay URL | --nats] [options]",
    .flags = flags,
    .flags_count = sizeof flags / sizeof flags[0],
    .notes = "A line on standard output says what became of each event: its id, and `stored`, `skipped` (the "
             "relay has no\n"
             "row for its type) or `added` to the Redis stream. What the relay makes of an event in the "
             "stream is not heard\n"
             "here; by --relay and --nats it is.\n"
             "\n"
             "Exit status 0: every event is stored, or added. 1: not every one, as standard error says; to "
             "send them again\n"
             "with the same ids is safe. 2: wrong use, or an event that no relay would take. 3: some were "
             "skipped.",
    .has_options = true,
    .options = "nats. redis.url redis.stream relay.api_key relay.max_event_bytes",
    .run = run,
};
