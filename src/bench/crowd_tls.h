/* The bytes of a crowd's clients: plain, or by TLS when the URL says wss://. Certificates are not checked:
 * the benchmark measures, it has no secrets. Every handshake is a full one, as of people who come for the
 * first time.
 */
#ifndef ROOMCAST_BENCH_CROWD_TLS_H
#define ROOMCAST_BENCH_CROWD_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "crowd.h"

/* ERR_NO_MEMORY. Nothing for ws://. */
enum err crowd_tls_init(struct crowd *crowd) MUST_CHECK;
void crowd_tls_fini(struct crowd *crowd);

/* A client's TCP connection is there. False: out of memory. */
bool client_begin_tls(const struct crowd *crowd, struct crowd_client *client);
/* 1: done; 0: waits for the server; -1: failed. */
int client_shake_hands(struct crowd_client *client);
const char *client_tls_problem(void);
void client_end_tls(struct crowd_client *client);

/* As recv() and send() on a non-blocking socket. */
ssize_t client_receive(struct crowd_client *client, char *bytes, size_t size);
ssize_t client_transmit(struct crowd_client *client, struct slice bytes);
/* More may be there though the socket is empty. */
bool client_has_more(const struct crowd_client *client);

#endif
