/* Bad neighbours, in a process of their own so that the measured clients do not pay for them: members of the
 * measured room 0 that never read, and a hot room of its own kind.
 *
 * Thread: started before this process has any other. */
#ifndef ROOMCAST_BENCH_DISTURBER_H
#define ROOMCAST_BENCH_DISTURBER_H

#include <sys/types.h>

#include "options.h"

struct disturber {
    pid_t pid;
    int to, from; /* pipes */
};

/* It waits until it is let go. ERR_IO. */
enum err disturber_start(struct disturber *disturber, const struct bench_options *options) MUST_CHECK;
/* Opens its connections, and loads from then on. `run`: of the measured layout. ERR_UNAVAILABLE: it could
 * not; it has said why. */
enum err disturber_go(struct disturber *disturber, uint32_t run) MUST_CHECK;
void disturber_stop(struct disturber *disturber);

#endif
