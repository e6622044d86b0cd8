/* A subcommand's own flags, beside the options of the table: they are taken out of the arguments before
 * config_load() reads the rest. */
#ifndef ROOMCAST_CLI_OWN_ARGUMENTS_H
#define ROOMCAST_CLI_OWN_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

struct own_flag {
    const char *flag;   /* "--user" */
    const char **value; /* of `--user=x` and `--user x`: points into the arguments afterwards */
    bool *is_set;       /* instead of `value`: the flag has none */
};

/* False: a flag has no value where it needs one; a line on standard error says so, for `command`. The last
 * one of several wins. */
bool own_arguments_take(const char *command, const struct own_flag *flags, size_t count, int *argc,
                        char **argv);

#endif
