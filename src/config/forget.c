/* Takes the secrets out of the arguments and the environment, which others can read in /proc. */
#include <roomcast/config/config.h>

#include <string.h>

#include "options.h"

#define COVER 'x'

/* "scheme://user:password@host", of each element of a list. */
static void cover_user_info(char *text)
{
    char *at = text;

    while ((at = strstr(at, "://"))) {
        at += 3;
        size_t len = strcspn(at, "@/,");
        if (at[len] == '@')
            memset(at, COVER, len);
    }
}

static void cover(const struct option *option, bool file, char *value)
{
    if (option->type != OPTION_SECRET)
        cover_user_info(value);
    else if (!file)
        memset(value, COVER, strlen(value));
}

static void forget_arguments(char **argv, int argc)
{
    for (int i = 0; i < argc; i++) {
        char name[OPTION_NAME_SIZE];
        char *equals = strchr(argv[i], '=');
        size_t len = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        bool file;

        if (strncmp(argv[i], "--", 2) != 0 || len - 2 >= sizeof name)
            continue;
        memcpy(name, argv[i] + 2, len - 2);
        name[len - 2] = '\0';
        const struct option *option = option_find(name, option_flag, &file);
        if (option && equals)
            cover(option, file, equals + 1);
        else if (option && option->type != OPTION_BOOL && i + 1 < argc)
            cover(option, file, argv[++i]);
    }
}

/* Whether the variable is to leave the environment. */
static bool forget_variable(char *entry)
{
    char name[OPTION_NAME_SIZE];
    char *equals = strchr(entry, '=');
    bool file;

    if (!equals || (size_t)(equals - entry) >= sizeof name)
        return false;
    memcpy(name, entry, (size_t)(equals - entry));
    name[equals - entry] = '\0';
    const struct option *option = option_find(name, option_variable, &file);
    if (!option)
        return false;
    cover(option, file, equals + 1);
    return option->type == OPTION_SECRET && !file;
}

void config_forget_sources(const struct config_request *request)
{
    forget_arguments(request->argv, request->argc);
    char **to = request->environment;
    for (char **entry = request->environment; entry && *entry; entry++) {
        if (!forget_variable(*entry))
            *to++ = *entry;
    }
    if (to)
        *to = NULL;
}
