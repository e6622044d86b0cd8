#include "console_http.h"

#include <roomcast/base/buffer.h>
#include <roomcast/wire/server_message.h>

static void answer(struct http_exchange *exchange, unsigned status, struct slice json, const char *name,
                   const char *value)
{
    const struct http_field fields[] = {
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {name, value},
    };
    http_answer_with(exchange, status, "application/json", json, fields, name ? 3 : 2);
}

void console_answer(struct http_exchange *exchange, unsigned status, struct slice json)
{
    answer(exchange, status, json, NULL, NULL);
}

void console_answer_error_with(struct http_exchange *exchange, unsigned status, enum error_code code,
                               const char *message, const char *name, const char *value)
{
    struct buffer body;
    buffer_init(&body, 4096);
    server_http_error(&body, code, message);
    answer(exchange, status, buffer_slice(&body), name, value);
    buffer_fini(&body);
}

void console_answer_error(struct http_exchange *exchange, unsigned status, enum error_code code,
                          const char *message)
{
    console_answer_error_with(exchange, status, code, message, NULL, NULL);
}
