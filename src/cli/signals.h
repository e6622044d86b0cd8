/* SIGTERM, SIGINT and SIGHUP for a main thread that waits for them. */
#ifndef ROOMCAST_CLI_SIGNALS_H
#define ROOMCAST_CLI_SIGNALS_H

/* Before any other thread starts: the signals wait for signals_wait(); SIGPIPE is ignored. */
void signals_block(void);
/* Returns the first signal. From then on a second SIGTERM or SIGINT ends the process at once. */
int signals_wait(void);
/* Waits for one at most so long. Returns it, or 0; a later one waits for the next call. */
int signals_wait_ms(unsigned timeout_ms);
/* From now on SIGTERM and SIGINT end the process at once. */
void signals_release(void);

#endif
