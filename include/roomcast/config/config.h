/* The configuration: one immutable struct, filled from the option table (options_table.h).
 *
 * Precedence, lowest first: default, YAML file, environment, flag. All faults are reported at once, each with
 * key, value (secrets hidden), source and what is allowed.
 * Owns: every string in it.   Thread: built on the main thread, then read by any. */
#ifndef ROOMCAST_CONFIG_CONFIG_H
#define ROOMCAST_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>

struct command_flag; /* base/command.h */

enum config_program { CONFIG_NODE = 1, CONFIG_RELAY = 2, CONFIG_BOTH = 3 };

struct config_list {
    char **items; /* owned, each and the array */
    size_t count;
};

/* A row of the event table (proto/README.md): which client `type` and route a domain event gets. */
struct config_event {
    char *event;  /* as services spell it: "message.created" */
    char *type;   /* as clients read it: "chat.message.posted" */
    bool to_user; /* false: the chat, true: the user */
};

enum { TLS_MIN_1_2, TLS_MIN_1_3 };                                        /* tls_min_version */
enum { PROXY_OFF, PROXY_V1V2 };                                           /* proxy_protocol */
enum { STORAGE_FILE, STORAGE_MEMORY };                                    /* stream_storage */
enum { AUTHORIZATION_CLAIMS, AUTHORIZATION_OPEN, AUTHORIZATION_REQUEST }; /* authorization_mode */

/* Where the value of a SECRET row was read from, when a file was named for it. */
struct config_secret_file {
    const char *key; /* static; "auth.hmac_secret" */
    char *path;      /* owned */
};

#define CONFIG_FIELD_TEXT    char *
#define CONFIG_FIELD_SECRET  char *
#define CONFIG_FIELD_PATH    char *
#define CONFIG_FIELD_ADDRESS char *
#define CONFIG_FIELD_INT     uint64_t
#define CONFIG_FIELD_DECIMAL uint64_t /* thousandths */
#define CONFIG_FIELD_BOOL    bool
#define CONFIG_FIELD_CHOICE  unsigned
#define CONFIG_FIELD_LIST    struct config_list

struct config {
#define OPTION(field, type, ...) CONFIG_FIELD_##type field;
#include <roomcast/config/options_table.h>
#undef OPTION
    /* YAML only: `events: [{event: x, type: y, to: chat|user}]`, added to the built-in table; a row with the
     * same `event` replaces the built-in one. */
    struct config_event *events; /* owned */
    size_t events_count;
    struct config_secret_file *secret_files; /* owned */
    size_t secret_files_count;
};

/* What the command line asked for besides options. */
enum config_verdict {
    CONFIG_RUN,  /* *ret_config is filled */
    CONFIG_DONE, /* --help, --version, --print-config or --check-config was answered: exit 0 */
    CONFIG_WRONG /* faults were written to `errors`: exit 2 */
};

#define CONFIG_PROBLEM_SIZE 256

struct config_request {
    enum config_program program;
    const char *name; /* program name for messages */
    const char *version;
    const char *summary; /* first lines of --help, each with its '\n' */
    const char *listed;  /* options that --help lists, as `options` of struct command; NULL: the program's */
    int argc;            /* the arguments after program and subcommand names */
    char **argv;
    char **environment; /* as environ */
    FILE *output;       /* --help and friends */
    FILE *errors;
    /* `key=value` pairs that take the place of the defaults (lowest precedence), for --dev; NULL-terminated
     * or NULL. */
    const char *const *overrides;
    /* Called when every single option is right, to check what spans several (e.g. no key configured). Returns
     * NULL or a message (static) naming the keys and what to do. May be NULL. */
    const char *(*check)(const struct config *config);
    /* With --check-config only: tries out what a start would find out by itself, as the files that options
     * name. `problem` (CONFIG_PROBLEM_SIZE) says what is wrong when it answers false. May be NULL. */
    bool (*try_out)(const struct config *config, char *problem);
};

/* --config FILE (or ROOMCAST_CONFIG) names the YAML file. Unknown keys in the file and unknown flags are
 * faults; unknown ROOMCAST_* variables are not (Kubernetes makes such for services). */
enum config_verdict config_load(const struct config_request *request, struct config **ret_config);
/* After config_load(): overwrites what it took secrets from, so that nobody finds them later in /proc: the
 * values of secret variables, which leave the environment, and of secret flags, and user and password of
 * URLs. */
void config_forget_sources(const struct config_request *request);
/* What the file with the value of SECRET option `key` holds now, for a process that is told to read it again.
 * ERR_MISSING: the value came from no file. ERR_CONFIG with `problem` (256 bytes): which option, which file,
 * and why it cannot be used. The caller frees by secret_free(). */
enum err config_reread_secret(const struct config *config, const char *key, char **ret_secret,
                              char *problem) MUST_CHECK;
/* Accepts NULL; wipes secrets; nulls the pointer. */
void config_free(struct config **config);

/* Splits "host:port" or "[v6]:port" as the ADDRESS type accepts it. `host` has 256 bytes. */
enum err config_split_address(const char *address, char *host, uint16_t *ret_port) MUST_CHECK;

/* The Markdown reference of all options, as cluster/REFERENCE.md holds it between its markers. */
void config_reference(struct buffer *out);
/* The options as a manual page holds them (man(7)): a .SS for each group, a .TP for each option. */
void config_manual(struct buffer *out);
/* Every flag that config_load() takes for `program`, in the order of the table; `flag` is borrowed for the
 * call. */
void config_each_flag(enum config_program program,
                      void (*take)(void *context, const struct command_flag *flag), void *context);
/* A commented sample configuration file with every option at its default. */
void config_sample(struct buffer *out);

#endif
