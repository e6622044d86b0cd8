#ifndef ROOMCAST_CLI_PUBLISH_COMMAND_H
#define ROOMCAST_CLI_PUBLISH_COMMAND_H

#include <roomcast/base/command.h>

/* `roomcast publish`: gives domain events to Redis or to a relay. Exit code 0: all are there; 1: not all; 2
 * for wrong arguments; 3: all that have a row for their type, and some have none. */
extern const struct command publish_command;

#endif
