#ifndef ROOMCAST_CLI_COMPLETION_COMMAND_H
#define ROOMCAST_CLI_COMPLETION_COMMAND_H

#include <roomcast/base/command.h>

/* `roomcast completion`: prints what makes a shell complete the command line. */
extern const struct command completion_command;

#endif
