/* A real redis-server for one test: on a free port, in a directory of its own, ended by its process id. */
#ifndef ROOMCAST_TESTS_REDIS_PROCESS_H
#define ROOMCAST_TESTS_REDIS_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

struct redis_process {
    pid_t pid; /* 0 while stopped */
    uint16_t port;
    char directory[64];
    char url[128];
    const char *password; /* borrowed; NULL: none */
};

/* A port nobody listens on just now. */
uint16_t free_port(void);

/* Starts and waits until it answers; fails the test after 10 s. `password` may be NULL. */
void redis_process_start(struct redis_process *redis, const char *password);
/* Ends it, without saving: its data is gone. */
void redis_process_stop(struct redis_process *redis);
/* Again on the same port, empty. */
void redis_process_restart(struct redis_process *redis);
/* Stops it when it runs and removes its directory. */
void redis_process_fini(struct redis_process *redis);
/* Freezes and thaws the process (SIGSTOP, SIGCONT); freeze returns when it has stopped. */
void redis_process_freeze(struct redis_process *redis);
void redis_process_thaw(struct redis_process *redis);

/* One command on a connection of its own, arguments up to NULL. Returns the reply as Redis wrote it (RESP),
 * to be freed. Fails the test when there is no reply. */
char *redis_ask(const struct redis_process *redis, ...) __attribute__((sentinel));
/* The same for a reply of one integer. */
long long redis_ask_number(const struct redis_process *redis, ...) __attribute__((sentinel));

#endif
