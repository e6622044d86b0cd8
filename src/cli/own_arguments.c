#include "own_arguments.h"

#include <stdio.h>
#include <string.h>

static const struct own_flag *find(const struct own_flag *flags, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(flags[i].flag);
        if (strncmp(word, flags[i].flag, len) == 0 &&
            (word[len] == '\0' || (word[len] == '=' && flags[i].value)))
            return &flags[i];
    }
    return NULL;
}

bool own_arguments_take(const char *command, const struct own_flag *flags, size_t count, int *argc,
                        char **argv)
{
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        const struct own_flag *flag = find(flags, count, argv[i]);
        const char *equals = strchr(argv[i], '=');
        if (!flag) {
            argv[kept++] = argv[i];
        } else if (!flag->value) {
            *flag->is_set = true;
        } else if (equals) {
            *flag->value = equals + 1;
        } else if (i + 1 < *argc) {
            *flag->value = argv[++i];
        } else {
            fprintf(stderr, "roomcast %s: %s needs a value\n", command, argv[i]);
            return false;
        }
    }
    *argc = kept;
    argv[kept] = NULL;
    return true;
}
