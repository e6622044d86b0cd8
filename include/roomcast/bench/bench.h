/* The load generator, as a program: src/cli/bench_main.c is all that calls it.
 *
 * Thread: the main one, once; it starts others and joins them. */
#ifndef ROOMCAST_BENCH_BENCH_H
#define ROOMCAST_BENCH_BENCH_H

#include <roomcast/base/command.h>

/* `argv`: without the program's name. Returns the exit status: 0; 1 when something was lost, came twice or
 * out of order; 2 for wrong use, or a server that cannot be reached. */
int bench_run(int argc, char **argv);

/* What can be said to it, for its manual page and the completion of shells. The first call makes it: one
 * thread at a time. */
const struct command *bench_command(void);

#endif
