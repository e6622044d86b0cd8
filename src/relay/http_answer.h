/* Answers in the one form of all refusals (proto/README.md). */
#ifndef ROOMCAST_RELAY_HTTP_ANSWER_H
#define ROOMCAST_RELAY_HTTP_ANSWER_H

#include <roomcast/io/http_server.h>
#include <roomcast/wire/error_code.h>

/* `message` NULL: the code's meaning. `extra_name`: one more header, or NULL. */
void http_refuse(struct http_exchange *exchange, unsigned status, enum error_code code, const char *message,
                 const char *extra_name, const char *extra_value);

#endif
