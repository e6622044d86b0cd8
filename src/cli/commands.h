/* The subcommands of roomcast, and what they have in common: their own flags stand beside the options of the
 * table, and are taken out of the arguments before config_load() reads the rest. */
#ifndef ROOMCAST_CLI_COMMANDS_H
#define ROOMCAST_CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/command.h>
#include <roomcast/config/config.h>

/* In the order of --help; the last one is followed by NULL. */
extern const struct command *const commands[];
/* NULL: there is none of that name. */
const struct command *command_find(const char *name);

/* Fills the fields that the flags name in `arguments`, the command's own struct. False: a flag has no value
 * where it needs one, has one where there is none, or comes too often; a line on standard error says so. */
bool command_take_flags(const struct command *command, void *arguments, int *argc, char **argv);
/* The first lines of its --help. */
void command_append_summary(const struct command *command, struct buffer *out);

/* A whole number from 1 to `max`, as `text` that `flag` was given says; NULL: none was given, and nothing is
 * written. False: a line on standard error says what it must be. */
bool command_parse_number(const struct command *command, const char *flag, const char *text, uint64_t max,
                          uint64_t *ret_number);
/* What is left of the arguments, environment and file, as process_configure() reads them, for `command`. Of
 * `request` program, overrides, check and try_out are used. */
bool command_configure(const struct command *command, struct config_request request, int argc, char **argv,
                       struct config **ret_config, int *ret_status);
/* For a command that takes no options of the table. True: --help was asked for, and answered. */
bool command_answer_help(const struct command *command, int argc, char **argv);

#endif
