/* A real nats-server with JetStream for one test: on a free port, in a directory of its own, ended by its
 * process id. The binary is nats-server, or what ROOMCAST_NATS_SERVER names. */
#ifndef ROOMCAST_TESTS_NATS_PROCESS_H
#define ROOMCAST_TESTS_NATS_PROCESS_H

#include <stdint.h>

#include <sys/types.h>

struct nats_process {
    pid_t pid; /* 0 while stopped */
    uint16_t port;
    char directory[64];
    const char *user, *password; /* borrowed; NULL: none */
};

/* Takes a port and a directory; starts nothing. */
void nats_process_init(struct nats_process *nats);
/* Starts it and waits until it answers; fails the test after 10 s. After a stop: same port, same data. */
void nats_process_start(struct nats_process *nats);
/* SIGKILL. */
void nats_process_stop(struct nats_process *nats);
/* Stops it when it runs and removes its directory. */
void nats_process_fini(struct nats_process *nats);
/* SIGSTOP; returns when all its threads have stopped, which may have answered something until then. */
void nats_process_freeze(struct nats_process *nats);
void nats_process_thaw(struct nats_process *nats);
/* How many lines with `text` the server has logged in all its runs. */
unsigned nats_process_count_log(const struct nats_process *nats, const char *text);
/* Waits until the server has logged `text` `times` times in all its runs; fails the test after 10 s. */
void nats_process_wait_log(const struct nats_process *nats, const char *text, unsigned times);
/* "<scheme>://[user:password@]127.0.0.1:<port>" */
void nats_process_url(const struct nats_process *nats, const char *scheme, char url[128]);

#endif
