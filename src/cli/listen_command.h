#ifndef ROOMCAST_CLI_LISTEN_COMMAND_H
#define ROOMCAST_CLI_LISTEN_COMMAND_H

#include <roomcast/base/command.h>

/* `roomcast listen`: a client that prints what it hears. Exit code 0; 1 when it cannot go on, or heard less
 * than it was to; 2 for wrong arguments. */
extern const struct command listen_command;

#endif
