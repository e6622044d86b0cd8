/* SIGTERM and SIGINT for a main thread that waits for them. */
#ifndef ROOMCAST_CLI_SIGNALS_H
#define ROOMCAST_CLI_SIGNALS_H

/* Before any other thread starts: the signals wait for signals_wait(); SIGPIPE is ignored. */
void signals_block(void);
/* Returns the first signal. From then on a second one ends the process at once. */
int signals_wait(void);

#endif
