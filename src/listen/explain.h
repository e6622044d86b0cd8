/* Why a connection could not be made, and what to do about it, in words on standard error. */
#ifndef ROOMCAST_LISTEN_EXPLAIN_H
#define ROOMCAST_LISTEN_EXPLAIN_H

#include <roomcast/base/err.h>
#include <roomcast/io/ws_client.h>

/* `err` and `failure`: of ws_client_open(). */
void explain_failure(const char *url, enum err err, const struct ws_client_failure *failure);

#endif
