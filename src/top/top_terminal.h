/* The terminal, or what takes its place: where looks are written to, and what ends the program.
 *
 * On a terminal looks are drawn in place, on its alternate screen, without a cursor; everything is as it was
 * after top_terminal_close(), and while the program is stopped by Ctrl-Z. Elsewhere they are written one
 * below the other. Thread: the main one, before others are started, whose signals it takes over. */
#ifndef ROOMCAST_TOP_TERMINAL_H
#define ROOMCAST_TOP_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>

#include "top_view.h"

struct top_terminal {
    bool is_screen;           /* standard output is a terminal, and is drawn on */
    bool has_keys;            /* standard input is one as well */
    int signals;              /* a descriptor; -1 */
    struct termios as_it_was; /* has_keys */
    struct buffer frame;      /* what is written next */
};

enum top_wake {
    TOP_WAKE_TIME,
    TOP_WAKE_DRAW, /* the size has changed, or it was asked for */
    TOP_WAKE_KEY,  /* one that is not the terminal's own: *ret_key */
    TOP_WAKE_END,  /* q, Ctrl-C, a signal, or nobody is there any more */
};

/* `wants_screen`: false for what is not to be drawn in place even on a terminal. */
enum err top_terminal_open(struct top_terminal *terminal, bool wants_screen) MUST_CHECK;
void top_terminal_close(struct top_terminal *terminal);

/* Of the screen; elsewhere more than anybody needs. */
void top_terminal_size(const struct top_terminal *terminal, unsigned *ret_width, unsigned *ret_height);
/* A frame: begin, any number of lines (a top_line function), end. False: it could not be written. */
void top_terminal_begin(struct top_terminal *terminal);
void top_terminal_line(void *terminal, enum top_style style, struct slice text);
bool top_terminal_end(struct top_terminal *terminal);
/* Something else than lines. False as above. */
bool top_terminal_write(struct top_terminal *terminal, struct slice text);

enum top_wake top_terminal_wait(struct top_terminal *terminal, uint64_t timeout_ms, char *ret_key);

#endif
