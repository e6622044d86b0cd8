/* Writes the manual pages and the completion of shells into a directory, at build time: cmake --install puts
 * them in place. Made of the same tables that the programs parse by. */
#include <stdio.h>
#include <string.h>

#include "documented.h"

#define TEXT_MAX  (1024 * 1024)
#define PATH_SIZE 4096

static bool write_file(const char *directory, const char *name, struct buffer *text)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = buffer_failed(text) ? NULL : fopen(path, "we");
    bool is_written = file && fputs(buffer_text(text), file) != EOF;
    if (file)
        is_written = fclose(file) == 0 && is_written;
    if (!is_written)
        fprintf(stderr, "write_manual: %s cannot be written\n", path);
    buffer_fini(text);
    return is_written;
}

static bool write_page(const char *directory, const struct manual_program *program)
{
    struct buffer text;
    char name[64];

    buffer_init(&text, TEXT_MAX);
    manual_page(program, &text);
    snprintf(name, sizeof name, "%s.1", program->self->name);
    return write_file(directory, name, &text);
}

static bool write_completion(const char *directory, const struct manual_program *program)
{
    static const char *const names[] = {
        [MANUAL_BASH] = "%s.bash", [MANUAL_ZSH] = "_%s", [MANUAL_FISH] = "%s.fish"};
    bool is_written = true;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buffer text;
        char name[64];
        buffer_init(&text, TEXT_MAX);
        manual_completion((enum manual_shell)i, program, &text);
        const char *percent = strchr(names[i], '%');
        snprintf(name, sizeof name, "%.*s%s%s", (int)(percent - names[i]), names[i], program->self->name,
                 percent + 2);
        is_written = write_file(directory, name, &text) && is_written;
    }
    return is_written;
}

static bool write_config_page(const char *directory)
{
    struct buffer text;

    buffer_init(&text, TEXT_MAX);
    manual_config_page(&text);
    return write_file(directory, "roomcast.yaml.5", &text);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    const struct manual_program *const *program = documented_programs();
    bool is_written = !(*program)->options || write_config_page(argv[1]);
    for (; *program; program++)
        is_written = write_page(argv[1], *program) && write_completion(argv[1], *program) && is_written;
    return is_written ? 0 : 1;
}
