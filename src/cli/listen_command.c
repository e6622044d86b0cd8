#include "listen_command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <roomcast/base/log.h>
#include <roomcast/base/random.h>
#include <roomcast/config/config.h>
#include <roomcast/listen/listen.h>
#include <roomcast/wire/token.h>

#include "commands.h"
#include "dev.h"
#include "mint.h"

#define NODE_URL         "ws://127.0.0.1:8080/ws"
#define TOKEN_LIFETIME_S 3600
#define SECONDS_MAX      31536000
#define COUNT_MAX        1000000000

struct arguments {
    struct command_list chats, urls;
    const char *user, *token_file, *ca, *since, *count, *timeout;
    bool raw, dev;
};

#define AT(field) offsetof(struct arguments, field)
static const struct command_flag flags[] = {
    {"--chat", COMMAND_LIST, "ID", "a chat to listen to, a UUID; may be repeated (none: only notifications)",
     AT(chats)},
    {"--url", COMMAND_LIST, "URL",
     "a node, ws://host:port/ws or wss://host/ws; may be repeated: one after the other is tried "
     "(default " NODE_URL ")",
     AT(urls)},
    {"--token-file", COMMAND_FILE, "FILE",
     "with the token, read anew for each connection (default: the token in $ROOMCAST_TOKEN)", AT(token_file)},
    {"--user", COMMAND_TEXT, "U", "instead: make a token for this user and all chats, with auth.hmac_secret",
     AT(user)},
    {"--dev", COMMAND_NO_VALUE, NULL, "with the key of `roomcast --dev`", AT(dev)},
    {"--since", COMMAND_TEXT, "EPOCH:SEQ", "begin behind this event of the chat, not now", AT(since)},
    {"--count", COMMAND_TEXT, "N", "end after so many events; exit status 1 when there were fewer",
     AT(count)},
    {"--timeout", COMMAND_TEXT, "S", "end after so many seconds", AT(timeout)},
    {"--raw", COMMAND_NO_VALUE, NULL, "print every frame as it comes, also acks, and events that come again",
     AT(raw)},
    {"--ca", COMMAND_FILE, "FILE", "whom to trust at wss://, PEM (default: the system's authorities)",
     AT(ca)},
};

/* Where tokens come from. */
struct token_source {
    const struct config *config;
    const char *file, *user; /* NULL; without both, the environment's */
};

static bool no_token(char *problem, const char *what)
{
    snprintf(problem, LISTEN_PROBLEM_SIZE, "%s", what);
    return false;
}

static bool read_token(const char *file, char **ret_token, char *problem)
{
    FILE *input = fopen(file, "re");
    char *text = calloc(1, TOKEN_MAX_BYTES + 1);
    size_t len = 0;

    if (input && text) {
        setvbuf(input, NULL, _IONBF, 0);
        len = fread(text, 1, TOKEN_MAX_BYTES, input);
    }
    int failure = !input || ferror(input) ? errno : 0;
    if (input)
        fclose(input);
    if (text)
        text[strcspn(text, " \t\r\n")] = '\0';
    if (len > 0 && text[0]) {
        *ret_token = text;
        return true;
    }
    free(text);
    snprintf(problem, LISTEN_PROBLEM_SIZE, "--token-file %.200s: %s", file,
             failure ? strerror(failure) : "it holds no token");
    return false;
}

static bool mint_token(const struct token_source *source, char **ret_token, char *problem)
{
    enum err err = mint_for(source->config, source->user, "*", TOKEN_LIFETIME_S, ret_token);
    if (err == ERR_OK)
        return true;
    snprintf(problem, LISTEN_PROBLEM_SIZE, "no token made: --user or auth.hmac_secret is %s", err_text(err));
    return false;
}

static bool get_token(void *context, char **ret_token, char *problem)
{
    const struct token_source *source = context;

    if (source->file)
        return read_token(source->file, ret_token, problem);
    if (source->user)
        return mint_token(source, ret_token, problem);
    *ret_token = strdup(getenv("ROOMCAST_TOKEN"));
    return *ret_token ? true : no_token(problem, err_text(ERR_NO_MEMORY));
}

static bool wrong(const char *what)
{
    fprintf(stderr, "roomcast listen: %s (roomcast listen --help)\n", what);
    return false;
}

/* Colours where somebody looks at them, unless told not to (no-color.org). */
static enum listen_form choose_form(bool raw)
{
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

    if (raw)
        return LISTEN_RAW;
    if (!isatty(STDOUT_FILENO))
        return LISTEN_LINES;
    return (no_colour && no_colour[0]) || (terminal && strcmp(terminal, "dumb") == 0) ? LISTEN_PLAIN
                                                                                      : LISTEN_COLOURS;
}

static bool check_tokens(const struct config *config, const struct arguments *arguments)
{
    const char *token = getenv("ROOMCAST_TOKEN");

    if (arguments->token_file && arguments->user)
        return wrong("--token-file and --user: a token either is there or is made");
    if (arguments->dev && !arguments->user && !arguments->token_file)
        return wrong("--dev needs --user: for whom is the token?");
    if (arguments->user && config->auth_hmac_secret[0] == '\0')
        return wrong("no key to make a token with: set auth.hmac_secret (or its _file), or use --dev or "
                     "--token-file");
    if (arguments->token_file || arguments->user || (token && token[0]))
        return true;
    return wrong("no token: give --token-file, or ROOMCAST_TOKEN, or --dev with --user");
}

/* Without one of its own, a development node is asked where it listens. */
static void choose_urls(const struct config *config, struct arguments *arguments, char url[300])
{
    snprintf(url, 300, "ws://%.280s/ws", config->listen);
    if (arguments->urls.count == 0)
        arguments->urls.items[arguments->urls.count++] = arguments->dev ? url : NODE_URL;
}

static int listen_configured(const struct config *config, struct arguments *arguments)
{
    struct token_source source = {.config = config, .file = arguments->token_file, .user = arguments->user};
    struct listen_options options = {.since = arguments->since,
                                     .ca_file = arguments->ca ? arguments->ca : "",
                                     .form = choose_form(arguments->raw),
                                     .get_token = get_token,
                                     .context = &source};
    char url[300];

    if (!check_tokens(config, arguments) ||
        !command_parse_number(&listen_command, "--count", arguments->count, COUNT_MAX, &options.count) ||
        !command_parse_number(&listen_command, "--timeout", arguments->timeout, SECONDS_MAX,
                              &options.timeout_s))
        return LISTEN_WRONG;
    choose_urls(config, arguments, url);
    options.urls = arguments->urls.items;
    options.urls_count = arguments->urls.count;
    options.chats = arguments->chats.items;
    options.chats_count = arguments->chats.count;
    return (int)listen_run(&options);
}

static int run(int argc, char **argv)
{
    struct arguments arguments = {.raw = false};
    if (!command_take_flags(&listen_command, &arguments, &argc, argv))
        return LISTEN_WRONG;
    const struct config_request request = {.program = CONFIG_NODE,
                                           .overrides = arguments.dev ? dev_defaults : NULL};
    struct config *config;
    int status;
    if (!command_configure(&listen_command, request, argc, argv, &config, &status))
        return status;
    log_init(LOG_ERROR, LOG_LOGFMT, NULL);
    signal(SIGPIPE, SIG_IGN); /* who reads our output may have enough: that is told by the write */
    status = listen_configured(config, &arguments);
    config_free(&config);
    return status;
}

const struct command listen_command = {
    .name = "listen",
    .title = "listen to chats as a client, and print what comes",
    .usage = "[--chat ID]... [--url URL]... [--token-file FILE | --user U] [options]\n"
             "--dev --user U [--chat ID]... [options]",
    .flags = flags,
    .flags_count = sizeof flags / sizeof flags[0],
    .notes = "On a terminal an event is a line with its time, type, chat, number and data, in colours unless "
             "NO_COLOR is\n"
             "set; elsewhere each event, and whatever else the node says, is a line of JSON as it came. "
             "Acks, and what\n"
             "happens to the connection, are told on standard error. When the connection is lost it connects "
             "again, to\n"
             "the next --url if there are several, and resumes: nothing is missing, and nothing comes twice. "
             "A loss\n"
             "that cannot be made up for is told.\n"
             "\n"
             "Exit status 0: --count events came, or --timeout is over without a --count. 1: nobody answers, "
             "the token is\n"
             "refused, no chat is left that may be read, or fewer than --count events came. 2: wrong use.",
    .has_options = true,
    .options = "auth.hmac_secret auth.issuer auth.audience auth.user_claim authorization.claim",
    .run = run,
};
