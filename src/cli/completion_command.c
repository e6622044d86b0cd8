#include "completion_command.h"

#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "programs.h"

#define SCRIPT_MAX (1024 * 1024)

static int print(enum manual_shell shell)
{
    struct buffer script;

    buffer_init(&script, SCRIPT_MAX);
    manual_completion(shell, &roomcast_program, &script);
    manual_completion(shell, &relay_program, &script);
    bool failed =
        buffer_failed(&script) || fputs(buffer_text(&script), stdout) == EOF || fflush(stdout) == EOF;
    buffer_fini(&script);
    if (failed)
        fprintf(stderr, "roomcast completion: the script cannot be written\n");
    return failed;
}

static int run(int argc, char **argv)
{
    static const char *const shells[] = {
        [MANUAL_BASH] = "bash", [MANUAL_ZSH] = "zsh", [MANUAL_FISH] = "fish"};

    if (command_answer_help(&completion_command, argc, argv))
        return 0;
    for (size_t i = 0; argc == 1 && i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(argv[0], shells[i]) == 0)
            return print((enum manual_shell)i);
    }
    fprintf(stderr, "roomcast completion: for which shell? bash, zsh or fish (roomcast completion --help)\n");
    return 2;
}

const struct command completion_command = {
    .name = "completion",
    .title = "print the completion of command lines for a shell",
    .usage = "bash|zsh|fish",
    .words = "bash|zsh|fish",
    .notes =
        "cmake --install puts the scripts where the shells look. From a build, for the shell that runs:\n"
        "source <(roomcast completion bash); source <(roomcast completion zsh), behind compinit;\n"
        "roomcast completion fish | source",
    .run = run,
};
