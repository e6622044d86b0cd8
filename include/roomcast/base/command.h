/* What can be said to a program on its command line: one description, from which come the parsing, --help,
 * the manual page and the completion in shells.
 *
 * All of it is static and immutable. */
#ifndef ROOMCAST_BASE_COMMAND_H
#define ROOMCAST_BASE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

enum command_value {
    COMMAND_NO_VALUE, /* a bool: set when the flag is there */
    COMMAND_TEXT,     /* a const char *; of several the last one wins */
    COMMAND_FILE,     /* the same, the name of a file */
    COMMAND_LIST,     /* a struct command_list: every one counts */
};

#define COMMAND_LIST_MAX 128 /* of one flag */
struct command_list {
    const char *items[COMMAND_LIST_MAX]; /* borrowed from the arguments */
    size_t count;
};

struct command_flag {
    const char *flag; /* "--user" */
    enum command_value value;
    const char *argument; /* what the help calls the value: "U", or all there are: "name|cpu"; NULL: none */
    const char *help;     /* without full stop */
    size_t offset;        /* of what it sets, in the command's own struct */
};

struct command {
    const char *name;  /* "token"; of a program without subcommands the program's */
    const char *title; /* "make an HS256 token for development" */
    const char *usage; /* what follows the name, lines separated by '\n'; may be "" */
    const struct command_flag *flags;
    size_t flags_count;
    const char *words; /* what may stand in place of a flag, "bash|zsh|fish"; NULL: nothing */
    const char *notes; /* paragraphs for behind the flags, separated by an empty line; may be "" */
    bool has_options;  /* takes the options of the configuration too */
    /* Which of those matter to it, for its --help: keys, and groups as "nats.", separated by spaces; NULL:
     * all. */
    const char *options;
    int (*run)(int argc,
               char **argv); /* without program and command; the exit code. NULL: the program itself */
};

#endif
