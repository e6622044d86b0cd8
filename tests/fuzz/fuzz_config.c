#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <roomcast/config/config.h>

#include "fuzz.h"

#define ARGS_MAX 32

/* Lines in front that begin with "--" are flags and those that begin with "ROOMCAST_" the environment; the
 * rest is the YAML file. Ends in a configuration or in faults that were told, never in both. Inputs that name
 * other files are left out. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[ARGS_MAX + 3], *environment[ARGS_MAX + 1], path[64];
    int argc = 0, variables = 0;
    char *text = malloc(size + 1);

    must(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (memmem(data, size, "file", 4) || memmem(data, size, "FILE", 4) || memmem(data, size, "onfig", 5) ||
        memmem(data, size, "ONFIG", 5)) {
        free(text);
        return 0;
    }
    char *at = text;
    for (char *end; (end = memchr(at, '\n', size - (size_t)(at - text))); at = end + 1) {
        bool is_flag = strncmp(at, "--", 2) == 0 && at + 3 < end && at[2] != '-';
        if ((!is_flag && strncmp(at, "ROOMCAST_", 9) != 0) || argc == ARGS_MAX || variables == ARGS_MAX)
            break;
        *end = '\0';
        if (is_flag)
            argv[argc++] = at;
        else
            environment[variables++] = at;
    }
    environment[variables] = NULL;
    int file = memfd_create("yaml", 0);
    size_t len = size - (size_t)(at - text);
    must(file >= 0 && write(file, at, len) == (ssize_t)len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    argv[argc++] = (char[]){"--config"};
    argv[argc++] = path;
    argv[argc] = NULL;

    char *told = NULL, *said = NULL;
    size_t told_len = 0, said_len = 0;
    FILE *errors = open_memstream(&told, &told_len), *output = open_memstream(&said, &said_len);
    must(errors && output);
    struct config *config = NULL;
    enum config_verdict verdict = config_load(&(struct config_request){.program = CONFIG_BOTH,
                                                                       .name = "fuzz",
                                                                       .version = "0",
                                                                       .summary = "",
                                                                       .argc = argc,
                                                                       .argv = argv,
                                                                       .environment = environment,
                                                                       .output = output,
                                                                       .errors = errors},
                                              &config);
    fclose(errors);
    fclose(output);
    must((verdict == CONFIG_RUN) == (config != NULL));
    must(verdict != CONFIG_WRONG || told_len > 0);
    config_free(&config);
    free(told);
    free(said);
    close(file);
    free(text);
    return 0;
}
