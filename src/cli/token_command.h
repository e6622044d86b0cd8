#ifndef ROOMCAST_CLI_TOKEN_COMMAND_H
#define ROOMCAST_CLI_TOKEN_COMMAND_H

/* `roomcast token`: prints a development token. `argc` and `argv` without program and subcommand. Returns the
 * exit code. */
int token_command(int argc, char **argv);

#endif
