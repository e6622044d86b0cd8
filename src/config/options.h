/* The option table as data, and the names that follow from a row's key. Nothing here changes after start. */
#ifndef ROOMCAST_SRC_CONFIG_OPTIONS_H
#define ROOMCAST_SRC_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/slice.h>
#include <roomcast/config/config.h>

enum option_type {
    OPTION_TEXT,
    OPTION_SECRET,
    OPTION_PATH,
    OPTION_ADDRESS,
    OPTION_INT,
    OPTION_DECIMAL,
    OPTION_BOOL,
    OPTION_CHOICE,
    OPTION_LIST
};

enum {
#define OPTION(field, ...) OPTION_##field,
#include <roomcast/config/options_table.h>
#undef OPTION
    OPTIONS_COUNT
};

struct option {
    const char *key; /* "nats.url" */
    enum option_type type;
    const char *fallback; /* the default, as text */
    uint64_t min, max;    /* of the value (DECIMAL: in thousandths) or of its length in bytes, by type */
    const char *unit;     /* of an INT or DECIMAL; the choices of a CHOICE: "a|b|c" */
    enum config_program programs;
    const char *help;
    size_t offset; /* of the field in struct config */
};

extern const struct option options[OPTIONS_COUNT];

#define OPTION_EVENTS_KEY "events" /* the one key of the file that is no row of the table */
#define OPTION_NAME_SIZE  80       /* bytes of any name of any option, with NUL */

/* The three spellings. `file`: of the variant of a SECRET row that names a file with the value.
 * "relay.api_key_file", "ROOMCAST_RELAY_API_KEY_FILE", "relay-api-key-file". */
typedef void option_spelling(const struct option *option, bool file, char name[OPTION_NAME_SIZE]);
option_spelling option_key, option_variable, option_flag;

/* The row that `name` means in that spelling, and whether it is the file variant; NULL when there is none. */
const struct option *option_find(const char *name, option_spelling *spelling, bool *ret_file);
/* True when keys begin with `path` and a dot. */
bool option_is_group(const char *path);
/* What stands before the first dot of the key; empty when there is none. */
struct slice option_group(const struct option *option);
/* The known name that `name` was probably meant to be, or NULL when nothing is near: `extras`
 * (NULL-terminated) are names beyond the table. The answer is in `storage` or among the extras. */
const char *option_nearest(const char *name, option_spelling *spelling, const char *const *extras,
                           char storage[OPTION_NAME_SIZE]);

#endif
