#include "print.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/text.h>

#define DIM     "2"
#define BOLD    "1"
#define GREEN   "32"
#define YELLOW  "33"
#define MAGENTA "35"
#define CYAN    "36"

/* C0 and C1, and what reorders a line (Unicode UAX 9). */
static bool steers(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

static void put_safe(struct slice text, FILE *out)
{
    while (text.len > 0) {
        uint32_t point = 0;
        size_t len = text_decode(text, &point);
        if (len == 0 || (steers(point) && point != '\n' && point != '\r' && point != '\t'))
            fputc('?', out);
        else if (steers(point))
            fputc(' ', out);
        else
            fwrite(text.data, 1, len, out);
        len = len > 0 ? len : 1;
        text = (struct slice){text.data + len, text.len - len};
    }
}

void print_note(const char *format, ...)
{
    va_list args;

    fputs("roomcast listen: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

void print_text(struct slice text)
{
    put_safe(text, stderr);
}

/* The text's line ends are white space between tokens: within strings JSON has none (RFC 8259 section 7). */
static void put_line(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        putchar(text.data[i] == '\n' || text.data[i] == '\r' ? ' ' : text.data[i]);
    putchar('\n');
}

static bool is_housekeeping(enum heard_kind kind)
{
    return kind == HEARD_CONNECTED || kind == HEARD_SUBSCRIBED || kind == HEARD_NOTIFICATIONS ||
           kind == HEARD_ACK || kind == HEARD_PONG;
}

static void begin(enum listen_form form, const char *colour)
{
    if (form == LISTEN_COLOURS)
        printf("\x1b[%sm", colour);
}

static void end(enum listen_form form)
{
    if (form == LISTEN_COLOURS)
        fputs("\x1b[0m", stdout);
}

static const char *colour_of(enum heard_kind kind, bool has_chat)
{
    switch (kind) {
    case HEARD_EVENT:
        return has_chat ? GREEN : MAGENTA;
    case HEARD_ERROR:
    case HEARD_UNSUBSCRIBED:
    case HEARD_DISCONNECT:
        return YELLOW;
    default:
        return CYAN;
    }
}

static void put_coloured(enum listen_form form, const char *colour, struct slice text)
{
    begin(form, colour);
    put_safe(text, stdout);
    end(form);
}

/* 10:15:30 chat.message.posted 22222222 #43 {"content":"Hello"} */
static void put_for_people(enum listen_form form, struct slice text, const struct heard_message *message)
{
    char now[CLOCK_TEXT_SIZE], place[32];

    clock_format(clock_wall_ms(), now);
    put_coloured(form, DIM, (struct slice){now + 11, 8});
    putchar(' ');
    put_coloured(form, colour_of(message->kind, message->has_chat), message->type);
    if (message->kind != HEARD_EVENT) {
        putchar(' ');
        put_coloured(form, DIM, text);
        putchar('\n');
        return;
    }
    snprintf(place, sizeof place, " %.8s #%llu ", message->has_chat ? message->chat.name : "you",
             (unsigned long long)message->position.seq);
    put_coloured(form, DIM, slice_of(place));
    put_coloured(form, BOLD, message->data);
    putchar('\n');
}

/* As it came; but for a terminal, which it could steer. */
static void put_raw(struct slice text)
{
    if (isatty(STDOUT_FILENO))
        put_safe(text, stdout);
    else
        fwrite(text.data, 1, text.len, stdout);
    putchar('\n');
}

bool print_frame(enum listen_form form, struct slice text, const struct heard_message *message)
{
    if (form == LISTEN_RAW) {
        put_raw(text);
    } else if (is_housekeeping(message->kind)) {
        return true;
    } else if (form == LISTEN_LINES) {
        put_line(text);
    } else {
        put_for_people(form, text, message);
    }
    return fflush(stdout) == 0;
}

bool print_unreadable(enum listen_form form, struct slice text)
{
    if (form == LISTEN_RAW)
        put_raw(text);
    return fflush(stdout) == 0;
}
