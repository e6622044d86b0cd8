#include "completion.h"

#include <string.h>

bool completion_is_choice(const char *words)
{
    return words && strchr(words, '|') &&
           strspn(words, "abcdefghijklmnopqrstuvwxyz0123456789-_|") == strlen(words);
}

void completion_append_choice(struct buffer *out, const char *words)
{
    for (; *words; words++)
        buffer_append_char(out, *words == '|' ? ' ' : *words);
}

void completion_append_function(struct buffer *out, const struct manual_program *program)
{
    for (const char *c = program->self->name; *c; c++)
        buffer_append_char(out, *c == '-' ? '_' : *c);
}

void manual_completion(enum manual_shell shell, const struct manual_program *program, struct buffer *out)
{
    switch (shell) {
    case MANUAL_BASH:
        completion_bash(program, out);
        break;
    case MANUAL_ZSH:
        completion_zsh(program, out);
        break;
    case MANUAL_FISH:
        completion_fish(program, out);
        break;
    }
}
