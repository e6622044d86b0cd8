#include "token_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/config/config.h>
#include <roomcast/wire/token.h>

#include "dev.h"
#include "own_arguments.h"

#define LIFETIME_DEFAULT_S 3600

extern char **environ;

static const char summary[] =
    "roomcast token: make an HS256 token for development\n"
    "\n"
    "usage: roomcast token --user U [--chats ID,ID...|*] [--ttl SECONDS] [options]\n"
    "\n"
    "  --user U      the user id the token is for\n"
    "  --chats LIST  chat ids the user may read, comma-separated, or * for all (default: none)\n"
    "  --ttl S       seconds until it expires (default 3600)\n"
    "  --dev         sign with the key of `roomcast --dev`\n"
    "\n"
    "It is signed with auth.hmac_secret, which comes from the same file, environment or flags as the "
    "node's.\n";

struct arguments {
    const char *user, *chats, *ttl;
    bool dev;
};

/* What is left belongs to the option table. */
static bool take_arguments(int *argc, char **argv, struct arguments *arguments)
{
    const struct own_flag flags[] = {
        {.flag = "--user", .value = &arguments->user},
        {.flag = "--chats", .value = &arguments->chats},
        {.flag = "--ttl", .value = &arguments->ttl},
        {.flag = "--dev", .is_set = &arguments->dev},
    };
    return own_arguments_take("token", flags, sizeof flags / sizeof flags[0], argc, argv);
}

static int parse_lifetime(const char *text, uint64_t *ret_seconds)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > UINT64_C(315360000)) {
        fprintf(stderr,
                "roomcast token: --ttl = \"%s\": must be a whole number of seconds from 1 to 315360000\n",
                text);
        return 0;
    }
    *ret_seconds = value;
    return 1;
}

static int mint(const struct config *config, const struct arguments *arguments, uint64_t lifetime_s)
{
    struct token_mint mint = {
        .hmac_secret = slice_of(config->auth_hmac_secret),
        .user = arguments->user,
        .chats = arguments->chats ? arguments->chats : "",
        .issuer = config->auth_issuer[0] ? config->auth_issuer : NULL,
        .audience = config->auth_audience[0] ? config->auth_audience : NULL,
        .user_claim = config->auth_user_claim,
        .chats_claim = config->authorization_claim,
        .issued_at = clock_wall_ms() / 1000,
        .lifetime_s = lifetime_s,
    };
    char *token;
    enum err err = token_mint(&mint, &token);
    if (err != ERR_OK) {
        fprintf(stderr, "roomcast token: no token made: --user, --chats or auth.hmac_secret is %s\n",
                err_text(err));
        return 2;
    }
    puts(token);
    free(token);
    return 0;
}

static const char *check(const struct config *config)
{
    return config->auth_hmac_secret[0] == '\0'
               ? "no key to sign with: set auth.hmac_secret (or its _file), or use --dev"
               : NULL;
}

int token_command(int argc, char **argv)
{
    struct arguments arguments = {0};
    uint64_t lifetime_s = LIFETIME_DEFAULT_S;
    if (!take_arguments(&argc, argv, &arguments) ||
        (arguments.ttl && !parse_lifetime(arguments.ttl, &lifetime_s)))
        return 2;
    struct config_request request = {
        .program = CONFIG_NODE,
        .name = "roomcast token",
        .version = ROOMCAST_VERSION,
        .summary = summary,
        .argc = argc,
        .argv = argv,
        .environment = environ,
        .output = stdout,
        .errors = stderr,
        .overrides = arguments.dev ? dev_defaults : NULL,
        .check = check,
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
    int status = 2;
    if (arguments.user)
        status = mint(config, &arguments, lifetime_s);
    else
        fprintf(stderr, "roomcast token: --user is missing (roomcast token --help)\n");
    config_free(&config);
    return status;
}
