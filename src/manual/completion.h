/* What the writers for the single shells share. */
#ifndef ROOMCAST_MANUAL_COMPLETION_H
#define ROOMCAST_MANUAL_COMPLETION_H

#include <roomcast/manual/manual.h>

void completion_bash(const struct manual_program *program, struct buffer *out);
void completion_zsh(const struct manual_program *program, struct buffer *out);
void completion_fish(const struct manual_program *program, struct buffer *out);

/* Are these all the words there are, separated by '|'? "name|cpu" is; "FILE|-" is not, nor is NULL. */
bool completion_is_choice(const char *words);
/* Appends them, separated by spaces. */
void completion_append_choice(struct buffer *out, const char *words);
/* The program's name as a function of a shell may have it: roomcast_relay. */
void completion_append_function(struct buffer *out, const struct manual_program *program);

#endif
