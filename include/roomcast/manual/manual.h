/* What is made of the description of a program's command line (base/command.h) and of the option table:
 * manual pages, and completion for shells. So neither can drift from what is parsed. */
#ifndef ROOMCAST_MANUAL_MANUAL_H
#define ROOMCAST_MANUAL_MANUAL_H

#include <roomcast/base/buffer.h>
#include <roomcast/base/command.h>
#include <roomcast/config/config.h>

struct manual_program {
    const struct command *self;            /* without a subcommand */
    const struct command *const *commands; /* followed by NULL; NULL: it has none */
    enum config_program options;           /* whose options of the table; 0: none */
    const char *description;               /* paragraphs, separated by an empty line */
    const char *see_also;                  /* "roomcast.yaml(5), roomcast-relay(1)" */
};

enum manual_shell { MANUAL_BASH, MANUAL_ZSH, MANUAL_FISH };

/* Appends the script that makes the shell complete command lines of `program`. */
void manual_completion(enum manual_shell shell, const struct manual_program *program, struct buffer *out);
/* Appends its page of section 1, for man(1). */
void manual_page(const struct manual_program *program, struct buffer *out);
/* Appends roomcast.yaml(5). */
void manual_config_page(struct buffer *out);

#endif
