/* roomcast and roomcast-relay as their manual pages and the completion of shells describe them. */
#ifndef ROOMCAST_CLI_PROGRAMS_H
#define ROOMCAST_CLI_PROGRAMS_H

#include <roomcast/manual/manual.h>

extern const struct manual_program roomcast_program, relay_program;

#endif
