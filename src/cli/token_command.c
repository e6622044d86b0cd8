#include "token_command.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/config/config.h>

#include "commands.h"
#include "dev.h"
#include "mint.h"

#define LIFETIME_DEFAULT_S 3600
#define LIFETIME_MAX_S     315360000

struct arguments {
    const char *user, *chats, *ttl;
    bool dev;
};

#define AT(field) offsetof(struct arguments, field)
static const struct command_flag flags[] = {
    {"--user", COMMAND_TEXT, "U", "the user id the token is for", AT(user)},
    {"--chats", COMMAND_TEXT, "LIST",
     "chat ids the user may read, comma-separated, or * for all (default: none)", AT(chats)},
    {"--ttl", COMMAND_TEXT, "S", "seconds until it expires (default 3600)", AT(ttl)},
    {"--dev", COMMAND_NO_VALUE, NULL, "sign with the key of `roomcast --dev`", AT(dev)},
};

/* Why token_mint() made none. */
static void complain(enum err err, const struct arguments *arguments)
{
    if (err == ERR_SYNTAX)
        fprintf(
            stderr,
            "roomcast token: --chats %s: chat ids are UUIDs, as 22222222-2222-4222-8222-222222222222, with "
            "commas between them; or it is *\n",
            arguments->chats);
    else if (err == ERR_RANGE)
        fprintf(stderr, "roomcast token: --user: a user id is 1 to 128 bytes of plain text\n");
    else if (err == ERR_CONFIG)
        fprintf(stderr, "roomcast token: auth.hmac_secret is shorter than 32 bytes\n");
    else
        fprintf(stderr, "roomcast token: %s\n", err_text(err));
}

static int mint(const struct config *config, const struct arguments *arguments, uint64_t lifetime_s)
{
    const char *chats = arguments->chats ? arguments->chats : "";
    char *token;
    enum err err = mint_for(config, arguments->user, chats, lifetime_s, &token);
    if (err != ERR_OK) {
        complain(err, arguments);
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

static int run(int argc, char **argv)
{
    struct arguments arguments = {0};
    uint64_t lifetime_s = LIFETIME_DEFAULT_S;
    if (!command_take_flags(&token_command, &arguments, &argc, argv) ||
        !command_parse_number(&token_command, "--ttl", arguments.ttl, LIFETIME_MAX_S, &lifetime_s))
        return 2;
    const struct config_request request = {
        .program = CONFIG_NODE, .overrides = arguments.dev ? dev_defaults : NULL, .check = check};
    struct config *config;
    int status;
    if (!command_configure(&token_command, request, argc, argv, &config, &status))
        return status;
    status = 2;
    if (arguments.user)
        status = mint(config, &arguments, lifetime_s);
    else
        fprintf(stderr, "roomcast token: --user is missing (roomcast token --help)\n");
    config_free(&config);
    return status;
}

const struct command token_command = {
    .name = "token",
    .title = "make an HS256 token for development",
    .usage = "--user U [--chats ID,ID...|*] [--ttl SECONDS] [options]",
    .flags = flags,
    .flags_count = sizeof flags / sizeof flags[0],
    .notes =
        "It is signed with auth.hmac_secret, which comes from the same file, environment or flags as the "
        "node's.",
    .has_options = true,
    .options = "auth.hmac_secret auth.issuer auth.audience auth.user_claim authorization.claim",
    .run = run,
};
