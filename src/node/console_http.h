/* How /console/api answers: JSON that a browser takes for nothing else.   Thread: any. */
#ifndef ROOMCAST_NODE_CONSOLE_HTTP_H
#define ROOMCAST_NODE_CONSOLE_HTTP_H

#include <roomcast/io/http_server.h>
#include <roomcast/wire/error_code.h>

/* Ends the exchange, as http_answer(). */
void console_answer(struct http_exchange *exchange, unsigned status, struct slice json);

/* The same with what went wrong. `message` NULL: what the code means. */
void console_answer_error(struct http_exchange *exchange, unsigned status, enum error_code code,
                          const char *message);
/* And with one more header. */
void console_answer_error_with(struct http_exchange *exchange, unsigned status, enum error_code code,
                               const char *message, const char *name, const char *value);

#endif
