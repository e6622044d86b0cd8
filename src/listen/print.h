/* Frames on standard output, for programs and for people.   Thread: one. */
#ifndef ROOMCAST_LISTEN_PRINT_H
#define ROOMCAST_LISTEN_PRINT_H

#include <roomcast/listen/listen.h>
#include <roomcast/wire/heard_message.h>

/* `text`: the frame that `message` was read from. Flushes. False: nobody reads standard output any more. */
bool print_frame(enum listen_form form, struct slice text, const struct heard_message *message);
/* One that could not be read; shown as it is by LISTEN_RAW only. */
bool print_unreadable(enum listen_form form, struct slice text);
/* Begins a line on standard error with the name of the command. */
void print_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Writes a text from the server to standard error, without what steers a terminal. */
void print_text(struct slice text);

#endif
