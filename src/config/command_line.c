#include "sources.h"

#include <stdio.h>

#include "show.h"

static const char *const commands[] = {"config", "help", "version", "print-config", "check-config", NULL};

struct flag {
    char name[OPTION_NAME_SIZE]; /* without the leading dashes; cut when too long to be known */
    const char *value;           /* NULL when none stands behind '=' */
};

static struct flag split_flag(const char *argument)
{
    struct flag flag = {.value = NULL};
    const char *equals = strchr(argument, '=');

    snprintf(flag.name, sizeof flag.name, "%.*s", equals ? (int)(equals - argument) : (int)strlen(argument),
             argument);
    if (equals)
        flag.value = equals + 1;
    return flag;
}

/* The command without a value that `name` is; NULL when it is none. */
static bool *find_command(struct command *command, const char *name)
{
    if (strcmp(name, "help") == 0)
        return &command->help;
    if (strcmp(name, "version") == 0)
        return &command->version;
    if (strcmp(name, "print-config") == 0)
        return &command->print_config;
    if (strcmp(name, "check-config") == 0)
        return &command->check_config;
    return NULL;
}

/* What follows it is taken for its value: one fault is told once. */
static void unknown_flag(struct draft *draft, const struct flag *flag, int *index)
{
    const struct config_request *request = draft->request;
    const char *name = flag->name;
    char storage[OPTION_NAME_SIZE];
    const char *nearest = option_nearest(name, option_flag, commands, storage);
    struct buffer shown;

    buffer_init(&shown, 8 * OPTION_NAME_SIZE);
    show_text(slice_of(name), &shown);
    const char *text = buffer_text(&shown);
    if (nearest)
        draft_fault(draft, "--%s: unknown flag; did you mean --%s?", text, nearest);
    else
        draft_fault(draft, "--%s: unknown flag; --help lists all", text);
    buffer_fini(&shown);
    if (!flag->value && *index + 1 < request->argc && request->argv[*index + 1][0] != '-')
        ++*index;
}

/* The value of a flag that needs one: behind '=', or the next argument, which is then used up. */
static const char *take_value(struct draft *draft, const struct flag *flag, int *index)
{
    const struct config_request *request = draft->request;

    if (flag->value)
        return flag->value;
    /* A value that begins with dashes must be given behind '=': more often it was forgotten. */
    if (*index + 1 < request->argc && strncmp(request->argv[*index + 1], "--", 2) != 0)
        return request->argv[++*index];
    draft_fault(draft, "--%s: needs a value, as --%s=VALUE", flag->name, flag->name);
    return NULL;
}

static void read_option(struct draft *draft, const struct option *option, bool file, const struct flag *flag,
                        int *index)
{
    bool alone = option->type == OPTION_BOOL && !flag->value;
    const char *value = alone ? "true" : take_value(draft, flag, index);
    char where[OPTION_NAME_SIZE + 8];

    if (!value)
        return;
    snprintf(where, sizeof where, "flag --%s", flag->name);
    draft_set(draft, option, file, SOURCE_FLAG, slice_of(value), where);
}

static void read_flag(struct draft *draft, const struct flag *flag, struct command *command, int *index)
{
    bool *asked = find_command(command, flag->name);
    bool file;

    if (asked && flag->value) {
        draft_fault(draft, "--%s: takes no value", flag->name);
    } else if (asked) {
        *asked = true;
    } else if (strcmp(flag->name, "config") == 0) {
        command->file = take_value(draft, flag, index);
    } else {
        const struct option *option = option_find(flag->name, option_flag, &file);
        if (option)
            read_option(draft, option, file, flag, index);
        else
            unknown_flag(draft, flag, index);
    }
}

void command_line_read(struct draft *draft, struct command *ret_command)
{
    const struct config_request *request = draft->request;

    *ret_command = (struct command){0};
    for (int i = 0; i < request->argc; i++) {
        const char *argument = request->argv[i];
        if (strcmp(argument, "-h") == 0) {
            ret_command->help = true;
        } else if (strncmp(argument, "--", 2) == 0 && argument[2] != '\0') {
            struct flag flag = split_flag(argument + 2);
            read_flag(draft, &flag, ret_command, &i);
        } else {
            /* By its number only: it may be a secret that lost its flag. */
            draft_fault(draft, "unexpected argument %d; options are written --name=value", i + 1);
        }
    }
}
