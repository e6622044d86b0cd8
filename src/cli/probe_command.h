#ifndef ROOMCAST_CLI_PROBE_COMMAND_H
#define ROOMCAST_CLI_PROBE_COMMAND_H

/* `roomcast probe`: asks a running node or relay whether it is well. `argc` and `argv` without program and
 * subcommand. Returns the exit code: 0 it is, 1 it is not, 2 for wrong arguments. */
int probe_command(int argc, char **argv);

#endif
