#ifndef ROOMCAST_CLI_PROBE_COMMAND_H
#define ROOMCAST_CLI_PROBE_COMMAND_H

#include <roomcast/base/command.h>

/* `roomcast probe`: asks a running node or relay whether it is well. Exit code 0 it is, 1 it is not, 2 for
 * wrong arguments. */
extern const struct command probe_command;

#endif
