#include "http_answer.h"

#include <roomcast/wire/server_message.h>

void http_refuse(struct http_exchange *exchange, unsigned status, enum error_code code, const char *message,
                 const char *extra_name, const char *extra_value)
{
    struct buffer body;

    buffer_init(&body, 4096);
    server_http_error(&body, code, message);
    http_answer(exchange, status, "application/json", buffer_slice(&body), extra_name, extra_value);
    buffer_fini(&body);
}
