#ifndef ROOMCAST_CLI_TOP_COMMAND_H
#define ROOMCAST_CLI_TOP_COMMAND_H

/* `roomcast top`: watches a cluster. `argc` and `argv` without program and subcommand. Returns the exit code.
 */
int top_command(int argc, char **argv);

#endif
