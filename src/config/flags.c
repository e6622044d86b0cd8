#include <stdio.h>

#include <roomcast/base/command.h>

#include "options.h"

#define FLAG_SIZE (OPTION_NAME_SIZE + 2)

static void give(const struct option *option, bool file, void (*take)(void *, const struct command_flag *),
                 void *context)
{
    char name[OPTION_NAME_SIZE], flag[FLAG_SIZE];

    option_flag(option, file, name);
    snprintf(flag, sizeof flag, "--%s", name);
    const bool is_path = file || option->type == OPTION_PATH;
    const struct command_flag row = {
        .flag = flag,
        .value = is_path                       ? COMMAND_FILE
                 : option->type == OPTION_BOOL ? COMMAND_NO_VALUE
                                               : COMMAND_TEXT,
        .argument = is_path                         ? "FILE"
                    : option->type == OPTION_BOOL   ? NULL
                    : option->type == OPTION_CHOICE ? option->unit
                                                    : "VALUE",
        .help = file ? "file that holds it" : option->help,
    };
    take(context, &row);
}

void config_each_flag(enum config_program program, void (*take)(void *, const struct command_flag *),
                      void *context)
{
    static const struct command_flag general[] = {
        {"--config", COMMAND_FILE, "FILE", "YAML file with options", 0},
        {"--check-config", COMMAND_NO_VALUE, NULL, "check the configuration and exit", 0},
        {"--print-config", COMMAND_NO_VALUE, NULL,
         "show the effective configuration with the source of each value and exit", 0},
        {"--version", COMMAND_NO_VALUE, NULL, "show the version and exit", 0},
        {"--help", COMMAND_NO_VALUE, NULL, "show this text and exit", 0},
    };

    for (size_t i = 0; i < sizeof general / sizeof general[0]; i++)
        take(context, &general[i]);
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (!(options[i].programs & program))
            continue;
        give(&options[i], false, take, context);
        if (options[i].type == OPTION_SECRET)
            give(&options[i], true, take, context);
    }
}
