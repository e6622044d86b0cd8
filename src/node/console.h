/* Questions for operators (/console): to this node, and through it to every process of the deployment.
 *
 *   admin listener --console_ask()--> [ console ] --question--> bus --> [ console of another node, or relay ]
 *   admin listener <---http answer--- [ console ] <---answer--- bus <-----------'
 *
 * A question goes to each process by itself (wire/console_message.h), to this one without the bus, and is
 * answered to HTTP when all have answered, or after CONSOLE_WAIT_MS (CONSOLE_STORE_WAIT_MS) with what has
 * come. What the workers hold they are asked for by orders (console_task.h).
 *
 * Thread: any, unless said otherwise. */
#ifndef ROOMCAST_NODE_CONSOLE_H
#define ROOMCAST_NODE_CONSOLE_H

#include <roomcast/base/err.h>
#include <roomcast/io/http_server.h>
#include <roomcast/wire/console_message.h>

#define CONSOLE_WAIT_MS 2000u
#define CONSOLE_STORE_WAIT_MS                                                                                \
    10000u                   /* for what a relay has to store: longer than relay.store_timeout_ms' default */
#define CONSOLE_OPEN_MAX 32u /* questions under way; more are refused */

struct node;
struct console;

/* `node` is borrowed, has its bus, hub and workers. Without admin.key it does not listen to others.
 * ERR_NO_MEMORY, ERR_BUSY. Then too `*ret_console` is to be freed, unless it is NULL. */
enum err console_new(struct node *node, struct console **ret_console) MUST_CHECK;

enum console_to {
    CONSOLE_TO_NODES,   /* all that are known */
    CONSOLE_TO_PROCESS, /* the one whose instance is `about` */
    CONSOLE_TO_RELAY,   /* the active one */
};
struct console_question {
    enum console_kind kind;
    enum console_to to;
    struct slice about, body;
    const char *action; /* static: goes into the audit log with the result; NULL: nothing is done by it */
    struct slice whom;  /* of the action, for the log */
};
/* Answers the exchange, now or later; the question is copied:
 * {"success":true,"answers":[{"instance","name","kind","status","body"}]}, where status 0 comes with a
 * `problem` instead of a body. 404 or 503 when there is nobody to ask, 503 beyond CONSOLE_OPEN_MAX.
 * Thread: the admin listener's. */
void console_ask(struct console *console, struct http_exchange *exchange,
                 const struct console_question *question);
/* Answers 401, a second later: who guesses keys is slow. 429, at once, when many wait for that already. */
void console_refuse(struct console *console, struct http_exchange *exchange);
/* The control thread, often. Accepts NULL. */
void console_tick(struct console *console, uint64_t now_ms);
/* Asks and answers nobody any more; what is open is answered with 503. */
void console_stop(struct console *console);
/* After console_stop, the workers and the bus were freed. Accepts NULL, nulls. */
void console_free(struct console **console);

#endif
