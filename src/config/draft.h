/* A configuration being put together: for every option the text that counts so far, and where it came from.
 *
 * Sources may be read in any order; the one of the highest precedence wins. Faults are written as they are
 * found and counted, so that all of them are seen at once.   Owns: its texts, wiped at the end. */
#ifndef ROOMCAST_SRC_CONFIG_DRAFT_H
#define ROOMCAST_SRC_CONFIG_DRAFT_H

#include "options.h"

/* Lowest precedence first. */
enum source { SOURCE_NONE, SOURCE_DEFAULT, SOURCE_PRESET, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_FLAG };

struct setting {
    enum source source;
    char *text;  /* owned */
    char *where; /* owned; "environment ROOMCAST_NATS_URL", fit to be shown */
};

struct draft {
    const struct config_request *request;       /* borrowed */
    struct setting values[OPTIONS_COUNT];       /* by option */
    struct setting secret_files[OPTIONS_COUNT]; /* the _file variants of SECRET rows */
    struct config_event *events;                /* owned, until the configuration takes them */
    size_t events_count;
    size_t faults;
};

void draft_init(struct draft *draft, const struct config_request *request);
void draft_fini(struct draft *draft);

/* Takes a copy of `text` unless a source of higher precedence has spoken. `file`: for the _file variant. */
void draft_set(struct draft *draft, const struct option *option, bool file, enum source source,
               struct slice text, const char *where);

/* Adds a row of the event table. Returns NULL, or says what is wrong with the row. */
const char *draft_add_event(struct draft *draft, const char *event, const char *type, const char *to);

/* One line on the request's error stream: "<program>: <text>". */
void draft_fault(struct draft *draft, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `limits.rooms = "abc" (from flag --limits-rooms): must be ...`, about the value that counts. */
void draft_value_fault(struct draft *draft, const struct option *option, const char *rule);

#endif
