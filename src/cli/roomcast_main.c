/* roomcast: a node, and its subcommands. Wires only: arguments, configuration, build, run, exit code. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <roomcast/base/address.h>
#include <roomcast/base/log.h>
#include <roomcast/base/random.h>
#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>
#include <roomcast/io/tls.h>
#include <roomcast/node/node.h>
#include <roomcast/relay/relay.h>
#include <roomcast/wire/token.h>

#include "commands.h"
#include "dev.h"
#include "jwks_check.h"
#include "nats_access.h"
#include "nats_seal.h"
#include "process.h"
#include "run_node.h"

#define SUMMARY_MAX      65536
#define MEMORY_MAX_LEAST (32u * 1024 * 1024)

/* What spans several options. */
static const char *check(const struct config *config)
{
    if (config->auth_hmac_secret[0] == '\0' && config->auth_public_key_file[0] == '\0' &&
        config->auth_jwks_url[0] == '\0')
        return "no key to verify tokens with: set auth.hmac_secret (or auth.hmac_secret_file), "
               "auth.public_key_file or auth.jwks_url, or try `roomcast --dev`";
    if (config->auth_hmac_secret[0] != '\0' && strlen(config->auth_hmac_secret) < TOKEN_SECRET_MIN)
        return "auth.hmac_secret is shorter than 32 bytes (RFC 7518 section 3.2): make one with `openssl "
               "rand -base64 48`";
    if (config->auth_hmac_secret_previous[0] != '\0' && config->auth_hmac_secret[0] == '\0')
        return "auth.hmac_secret_previous is set without auth.hmac_secret: put the secret that tokens "
               "are signed with now into the latter";
    if (config->auth_hmac_secret_previous[0] != '\0' &&
        strlen(config->auth_hmac_secret_previous) < TOKEN_SECRET_MIN)
        return "auth.hmac_secret_previous is shorter than 32 bytes (RFC 7518 section 3.2)";
    if ((config->tls_cert_file[0] == '\0') != (config->tls_key_file[0] == '\0'))
        return "tls.cert_file and tls.key_file belong together: the certificate chain, and its private key";
    if (process_check_admin_key(config))
        return process_check_admin_key(config);
    if (config->memory_max > 0 && config->memory_max < MEMORY_MAX_LEAST)
        return "memory.max must be 0 or at least 33554432 (32 MiB): a node without clients takes half of "
               "that";
    struct networks networks = {0};
    if (networks_new(config->proxy_trusted.items, config->proxy_trusted.count, &networks) != ERR_OK)
        return "proxy.trusted must be networks such as 10.0.0.0/8 or 2001:db8::/32, without bits behind the "
               "mask";
    networks_fini(&networks);
    if (config->proxy_protocol != PROXY_OFF && config->proxy_trusted.count == 0)
        return "proxy.protocol needs proxy.trusted: the networks whose PROXY headers are believed";
    const char *fault = jwks_check(config);
    if (!fault)
        fault = nats_seal_check(config);
    return fault ? fault : relay_check(config); /* --dev has a relay inside */
}

static bool try_out_listener(const struct config *config, char *problem)
{
    const struct tls_identity_options options = {.cert_file = config->tls_cert_file,
                                                 .key_file = config->tls_key_file};
    struct tls_identity *identity = NULL;
    bool good = !options.cert_file[0] || tls_identity_new(&options, &identity, problem) == ERR_OK;
    tls_identity_free(&identity);
    return good;
}

static bool try_out(const struct config *config, char *problem)
{
    return node_try_keys(config, problem) == ERR_OK && try_out_listener(config, problem) &&
           nats_access_try_out(config, problem);
}

static void append_summary(struct buffer *out)
{
    buffer_append_text(out, "roomcast: a WebSocket node that brings domain events to browsers\n"
                            "\n"
                            "usage: roomcast [options]           run a node (needs NATS and roomcast-relay)\n"
                            "       roomcast --dev [options]     run node and relay in one process, without "
                            "NATS, for development\n"
                            "       roomcast COMMAND [options]   roomcast COMMAND --help tells more\n"
                            "\n");
    for (size_t i = 0; commands[i]; i++)
        buffer_appendf(out, "  %-12s %s\n", commands[i]->name, commands[i]->title);
}

/* What stands where a command would, and is none. It is not shown: it may be a secret that lost its flag. */
static int refuse_command(void)
{
    fputs("roomcast: the first argument is neither an option (--name=value) nor a command:", stderr);
    for (size_t i = 0; commands[i]; i++)
        fprintf(stderr, " %s%s", commands[i]->name, commands[i + 1] ? "," : " (roomcast --help)\n");
    return 2;
}

/* Takes `--dev` out of the arguments. */
static bool take_dev_flag(int *argc, char **argv)
{
    bool found = false;
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--dev") == 0)
            found = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    argv[kept] = NULL;
    return found;
}

static int run(int argc, char **argv)
{
    process_protect();
    if (random_init() != ERR_OK) {
        fprintf(stderr, "roomcast: the system has no source of randomness\n");
        return 1;
    }
    const struct command *command = argc > 1 ? command_find(argv[1]) : NULL;
    if (command)
        return command->run(argc - 2, argv + 2);
    if (argc > 1 && argv[1][0] != '-')
        return refuse_command();

    argc--;
    argv++;
    bool dev = take_dev_flag(&argc, argv);
    struct buffer summary;
    buffer_init(&summary, SUMMARY_MAX);
    append_summary(&summary);
    struct config_request request = {
        .program = dev ? CONFIG_BOTH : CONFIG_NODE,
        .name = "roomcast",
        .summary = buffer_text(&summary),
        .argc = argc,
        .argv = argv,
        .overrides = dev ? dev_defaults : NULL,
        .check = check,
        .try_out = dev ? try_out_listener : try_out,
    };
    struct config *config;
    int status;
    bool is_ready = process_configure(&request, &config, &status);
    buffer_fini(&summary);
    if (!is_ready)
        return status;
    log_init((enum log_level)config->log_level, (enum log_format)config->log_format, config->node_name);
    status = 2;
    if (process_settle(config, "roomcast"))
        status = dev ? run_dev(config) : run_node(config);
    config_free(&config);
    return status;
}

int main(int argc, char **argv)
{
    int status = run(argc, argv);

    bus_nats_close_library();
    return status;
}
