/* roomcast.v1.Console, as a struct: what processes ask each other for an operator, and what they answer.
 *
 * Each process reads its own subject (subject_format_console()); an answer goes to the subject of whoever
 * asked, so that it is sealed like every signal. */
#ifndef ROOMCAST_WIRE_CONSOLE_MESSAGE_H
#define ROOMCAST_WIRE_CONSOLE_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/heartbeat.h>

#define CONSOLE_VERSION    1
#define CONSOLE_ABOUT_MAX  128u          /* bytes */
#define CONSOLE_BODY_MAX   (256u * 1024) /* bytes: a quarter of what NATS takes by default */
#define CONSOLE_MAX_BYTES  (CONSOLE_BODY_MAX + 1024)
#define CONSOLE_BODY_DEPTH 6 /* of an answer's JSON */

enum console_kind { /* the numbers of proto ConsoleKind */
                    CONSOLE_ANSWER = 1,
                    CONSOLE_LIVE,
                    CONSOLE_ROOM,
                    CONSOLE_USER,
                    CONSOLE_DISCONNECT,
                    CONSOLE_DRAIN,
                    CONSOLE_REVOKE,
                    CONSOLE_LETTERS,
                    CONSOLE_LETTER,
                    CONSOLE_REPLAY,
};

struct console_message {
    uint64_t id; /* above 0 */
    enum console_kind kind;
    unsigned status;    /* CONSOLE_ANSWER: 200 to 599; else 0 */
    struct slice from;  /* plain text, 1 to HEARTBEAT_INSTANCE_MAX bytes */
    struct slice about; /* plain text; may be empty */
    struct slice body; /* CONSOLE_ANSWER: a JSON object, decoded ones are known to be one; else CONSOLE_REVOKE
                          only */
};

/* Is something done by it, beyond an answer? */
bool console_acts(enum console_kind kind);

/* Appends the encoding. ERR_RANGE when a field breaks the rules above; ERR_TOO_BIG; ERR_NO_MEMORY. */
enum err console_encode(const struct console_message *message, struct buffer *out) MUST_CHECK;

/* The body of an answer that says why it is none: {"problem":"..."}. */
void console_write_problem(const char *problem, struct buffer *out);

/* A decoded message; its slices lie in `memory`. */
struct console_owned {
    struct console_message message;
    void *memory; /* owned */
};
/* ERR_VERSION: made by a newer release that says old readers must not judge it. ERR_UNKNOWN: of a kind that
 * is not known here. Also ERR_SYNTAX, ERR_RANGE, ERR_TOO_BIG and ERR_NO_MEMORY. On success console_release()
 * is due. */
enum err console_decode(struct slice bytes, struct console_owned *ret_owned) MUST_CHECK;
void console_release(struct console_owned *owned);

#endif
