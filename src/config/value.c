#include "value.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/random.h>
#include <roomcast/base/text.h>

#include "pattern.h"

static void *field_of(const struct option *option, struct config *config)
{
    return (char *)config + option->offset;
}

static bool parse_int(const struct option *option, const char *text, uint64_t *field)
{
    uint64_t value = 0;

    if (!text[0])
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    if (value < option->min || value > option->max)
        return false;
    *field = value;
    return true;
}

/* Digits, and up to three more behind a point. */
static bool parse_decimal(const struct option *option, const char *text, uint64_t *field)
{
    const char *point = strchrnul(text, '.');
    size_t places = *point ? strlen(point + 1) : 0;
    char digits[32];

    if (point == text || places > 3 || (*point && places == 0) || strlen(text) >= sizeof digits - 3)
        return false;
    snprintf(digits, sizeof digits, "%.*s%s%.*s", (int)(point - text), text, *point ? point + 1 : "",
             (int)(3 - places), "000");
    return parse_int(option, digits, field);
}

static bool parse_bool(const char *text, bool *field)
{
    bool value = strcmp(text, "true") == 0;

    if (!value && strcmp(text, "false") != 0)
        return false;
    *field = value;
    return true;
}

static bool parse_choice(const struct option *option, const char *text, unsigned *field)
{
    size_t len = strlen(text);
    unsigned index = 0;

    for (const char *choice = option->unit;; index++) {
        size_t choice_len = strcspn(choice, "|");
        if (choice_len == len && strncmp(choice, text, len) == 0)
            break;
        if (!choice[choice_len])
            return false;
        choice += choice_len + 1;
    }
    *field = index;
    return true;
}

static bool copy_text(const char *text, char **field)
{
    char *copy = strdup(text);

    if (!copy)
        return false;
    *field = copy;
    return true;
}

static bool copy_secret(const char *text, char **field)
{
    char *copy = secret_copy(text, strlen(text));

    if (!copy)
        return false;
    *field = copy;
    return true;
}

static bool text_allowed(const struct option *option, const char *text)
{
    size_t len = strlen(text);

    if (len < option->min || len > option->max)
        return false;
    return option->type == OPTION_SECRET ||
           (text_is_plain(slice_of(text)) && pattern_allows(option->key, text));
}

static bool parse_address(const char *text, char **field)
{
    char host[256];
    uint16_t port;

    return config_split_address(text, host, &port) == ERR_OK && copy_text(text, field);
}

static void free_list(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        wipe(list->items[i], strlen(list->items[i])); /* a URL may have a password in it */
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct config_list){0};
}

/* The next element without the blanks around it; `rest` moves behind its comma, or to NULL after the last. */
static struct slice next_element(const char **rest)
{
    const char *comma = strchrnul(*rest, ',');
    struct slice element = {*rest, (size_t)(comma - *rest)};

    *rest = *comma ? comma + 1 : NULL;
    while (element.len > 0 && element.data[0] == ' ') {
        element.data++;
        element.len--;
    }
    while (element.len > 0 && element.data[element.len - 1] == ' ')
        element.len--;
    return element;
}

static bool fill_list(const struct option *option, const char *text, struct config_list *list)
{
    for (const char *rest = text; rest;) {
        struct slice element = next_element(&rest);
        if (element.len == 0 || element.len > option->max || !text_is_plain(element))
            return false;
        if (list->count == LIST_ITEMS_MAX)
            return false;
        list->items[list->count] = strndup(element.data, element.len);
        if (!list->items[list->count])
            return false;
        list->count++;
    }
    return true;
}

static bool parse_list(const struct option *option, const char *text, struct config_list *field)
{
    struct config_list list = {0};

    if (text[0] == '\0') {
        *field = list;
        return option->min == 0;
    }
    list.items = calloc(LIST_ITEMS_MAX, sizeof *list.items);
    if (!list.items)
        return false;
    if (!fill_list(option, text, &list)) {
        free_list(&list);
        return false;
    }
    *field = list;
    return true;
}

bool value_parse(const struct option *option, const char *text, struct config *config)
{
    void *field = field_of(option, config);

    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_PATH:
        return text_allowed(option, text) && copy_text(text, field);
    case OPTION_SECRET:
        return text_allowed(option, text) && copy_secret(text, field);
    case OPTION_ADDRESS:
        return parse_address(text, field);
    case OPTION_INT:
        return parse_int(option, text, field);
    case OPTION_DECIMAL:
        return parse_decimal(option, text, field);
    case OPTION_BOOL:
        return parse_bool(text, field);
    case OPTION_CHOICE:
        return parse_choice(option, text, field);
    case OPTION_LIST:
        return parse_list(option, text, field);
    }
    return false;
}

static void free_text(char **text)
{
    if (*text)
        wipe(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void value_free(const struct option *option, struct config *config)
{
    void *field = field_of(option, config);

    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_PATH:
    case OPTION_ADDRESS:
        free_text(field);
        break;
    case OPTION_SECRET:
        secret_free(field);
        break;
    case OPTION_LIST:
        free_list(field);
        break;
    case OPTION_INT:
    case OPTION_DECIMAL:
    case OPTION_BOOL:
    case OPTION_CHOICE:
        break;
    }
}
