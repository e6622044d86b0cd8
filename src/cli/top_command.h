#ifndef ROOMCAST_CLI_TOP_COMMAND_H
#define ROOMCAST_CLI_TOP_COMMAND_H

#include <roomcast/base/command.h>

/* `roomcast top`: watches a cluster. */
extern const struct command top_command;

#endif
