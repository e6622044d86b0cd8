#ifndef ROOMCAST_CLI_TOKEN_COMMAND_H
#define ROOMCAST_CLI_TOKEN_COMMAND_H

#include <roomcast/base/command.h>

/* `roomcast token`: prints a development token. */
extern const struct command token_command;

#endif
