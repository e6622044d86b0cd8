/* Loads a configuration as a program does and keeps what it wrote. For the tests of src/config. */
#ifndef ROOMCAST_TESTS_UNIT_CONFIG_LOAD_FIXTURE_H
#define ROOMCAST_TESTS_UNIT_CONFIG_LOAD_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <roomcast/config/config.h>

/* argv and environ are not const by tradition; config_load does not write to them. */
#define ARGS(...) ((char **)(const char *[]){__VA_ARGS__, NULL})

struct load {
    /* what goes in; zero is "nothing" */
    enum config_program program; /* CONFIG_NODE when 0 */
    char **args;                 /* NULL-terminated */
    char **environment;
    const char *yaml; /* contents of the file that --config names */
    const char *listed;
    const char *const *overrides;
    const char *(*check)(const struct config *config);
    bool (*try_out)(const struct config *config, char *problem);
    /* what comes out */
    enum config_verdict verdict;
    struct config *config;
    char *output, *errors;
    char path[64]; /* of the YAML file */
};

/* A file with these contents under a new name, which goes to `path` (64 bytes). */
static inline void write_file(const char *bytes, size_t len, char *path)
{
    snprintf(path, 64, "/tmp/roomcast-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
}

/* The arguments, with --config in front when there is a file. */
static inline int gather(struct load *load, const char **argv, size_t size)
{
    int argc = 0;

    if (load->yaml) {
        write_file(load->yaml, strlen(load->yaml), load->path);
        argv[argc++] = "--config";
        argv[argc++] = load->path;
    }
    for (char **arg = load->args; arg && *arg; arg++) {
        assert_true((size_t)argc < size);
        argv[argc++] = *arg;
    }
    return argc;
}

static inline void load_run(struct load *load)
{
    const char *argv[32];
    size_t output_len, errors_len;
    struct config_request request = {
        .program = load->program ? load->program : CONFIG_NODE,
        .name = "roomcast",
        .version = "1.2.3",
        .summary = "Summary line.\n",
        .listed = load->listed,
        .argc = gather(load, argv, sizeof argv / sizeof argv[0]),
        .argv = (char **)argv,
        .environment = load->environment,
        .output = open_memstream(&load->output, &output_len),
        .errors = open_memstream(&load->errors, &errors_len),
        .overrides = load->overrides,
        .check = load->check,
        .try_out = load->try_out,
    };

    load->verdict = config_load(&request, &load->config);
    fclose(request.output);
    fclose(request.errors);
    assert_int_equal(load->verdict == CONFIG_RUN, load->config != NULL);
    if (load->yaml)
        unlink(load->path);
}

static inline void load_end(struct load *load)
{
    config_free(&load->config);
    free(load->output);
    free(load->errors);
}

static inline void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is missing in:\n%s", part, text);
}

static inline void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("\"%s\" must not stand in:\n%s", part, text);
}

/* The load must fail, say `part` and write exactly `lines` lines. Cleans up. */
static inline void assert_fault(struct load *load, const char *part, int lines)
{
    int seen = 0;

    load_run(load);
    assert_int_equal(load->verdict, CONFIG_WRONG);
    assert_contains(load->errors, part);
    for (const char *c = load->errors; *c; c++)
        seen += *c == '\n';
    assert_int_equal(seen, lines);
    load_end(load);
}

static inline void assert_yaml_fault(const char *yaml, const char *part)
{
    struct load load = {.yaml = yaml};

    assert_fault(&load, part, 1);
}

#endif
