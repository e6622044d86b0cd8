#include "options.h"

#include <ctype.h>
#include <stdio.h>

const struct option options[OPTIONS_COUNT] = {
#define OPTION(field, type, key, fallback, min, max, unit, programs, help)                                   \
    [OPTION_##field] = {key,                                                                                 \
                        OPTION_##type,                                                                       \
                        fallback,                                                                            \
                        min,                                                                                 \
                        max,                                                                                 \
                        unit,                                                                                \
                        CONFIG_##programs,                                                                   \
                        help,                                                                                \
                        offsetof(struct config, field)},
#include <roomcast/config/options_table.h>
#undef OPTION
};

void option_key(const struct option *option, bool file, char name[OPTION_NAME_SIZE])
{
    snprintf(name, OPTION_NAME_SIZE, "%s%s", option->key, file ? "_file" : "");
}

void option_variable(const struct option *option, bool file, char name[OPTION_NAME_SIZE])
{
    snprintf(name, OPTION_NAME_SIZE, "ROOMCAST_%s%s", option->key, file ? "_FILE" : "");
    for (char *c = name; *c; c++)
        *c = *c == '.' ? '_' : (char)toupper((unsigned char)*c);
}

void option_flag(const struct option *option, bool file, char name[OPTION_NAME_SIZE])
{
    option_key(option, file, name);
    for (char *c = name; *c; c++) {
        if (*c == '.' || *c == '_')
            *c = '-';
    }
}

const struct option *option_find(const char *name, option_spelling *spelling, bool *ret_file)
{
    char candidate[OPTION_NAME_SIZE];

    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        for (int file = 0; file <= (options[i].type == OPTION_SECRET); file++) {
            spelling(&options[i], file, candidate);
            if (strcmp(name, candidate) == 0) {
                *ret_file = file;
                return &options[i];
            }
        }
    }
    return NULL;
}

bool option_is_group(const char *path)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (strncmp(options[i].key, path, len) == 0 && options[i].key[len] == '.')
            return true;
    }
    return false;
}

struct slice option_group(const struct option *option)
{
    const char *dot = strchr(option->key, '.');

    return (struct slice){option->key, dot ? (size_t)(dot - option->key) : 0};
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance; both names are shorter than OPTION_NAME_SIZE. */
static size_t distance(const char *a, const char *b)
{
    size_t row[OPTION_NAME_SIZE], b_len = strlen(b);

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_len];
}

const char *option_nearest(const char *name, option_spelling *spelling, const char *const *extras,
                           char storage[OPTION_NAME_SIZE])
{
    char candidate[OPTION_NAME_SIZE];
    const char *nearest = NULL;

    if (strlen(name) >= OPTION_NAME_SIZE)
        return NULL;
    /* More than a third of the letters wrong is a guess, not a slip of the pen. */
    size_t best = strlen(name) / 3 + 1;
    for (size_t i = 0; extras[i]; i++) {
        size_t d = distance(name, extras[i]);
        if (d < best) {
            best = d;
            nearest = extras[i];
        }
    }
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        for (int file = 0; file <= (options[i].type == OPTION_SECRET); file++) {
            spelling(&options[i], file, candidate);
            size_t d = distance(name, candidate);
            if (d < best) {
                best = d;
                nearest = memcpy(storage, candidate, OPTION_NAME_SIZE);
            }
        }
    }
    return nearest;
}
