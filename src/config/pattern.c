#include "pattern.h"

#include <stddef.h>
#include <string.h>

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const struct pattern {
    const char *key;
    const char *characters; /* allowed */
    bool tokens;            /* dots separate tokens, none of which may be empty */
    const char *text;
} patterns[] = {
    /* Part of consumer names, log lines and identities shown to others. */
    {"node.name", LETTERS_AND_DIGITS "._-", false, " of letters, digits, '.', '_' and '-'"},
    /* The first tokens of NATS subjects: no wildcard, no blank, no empty token. */
    {"nats.prefix", LETTERS_AND_DIGITS "_-.", true,
     ": tokens of letters, digits, '_' and '-', separated by single dots"},
    /* JetStream refuses dots, wildcards, blanks and slashes in stream names. */
    {"stream.name", LETTERS_AND_DIGITS "_-", false, " of letters, digits, '_' and '-'"},
};

static const struct pattern *pattern_of(const char *key)
{
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        if (strcmp(patterns[i].key, key) == 0)
            return &patterns[i];
    }
    return NULL;
}

static bool has_empty_token(const char *text)
{
    size_t len = strlen(text);

    return len == 0 || text[0] == '.' || text[len - 1] == '.' || strstr(text, "..");
}

bool pattern_allows(const char *key, const char *text)
{
    const struct pattern *pattern = pattern_of(key);

    if (!pattern)
        return true;
    if (text[strspn(text, pattern->characters)] != '\0')
        return false;
    return !pattern->tokens || !has_empty_token(text);
}

const char *pattern_text(const char *key)
{
    const struct pattern *pattern = pattern_of(key);

    return pattern ? pattern->text : NULL;
}
