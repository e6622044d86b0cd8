#include "probe_command.h"

#include <stdio.h>
#include <string.h>

#include <roomcast/base/text.h>
#include <roomcast/config/config.h>
#include <roomcast/io/http_get.h>

#include "commands.h"

#define TIMEOUT_MS 3000
#define BODY_MAX   4096

static bool parse(const char *url, char *address, size_t size, const char **ret_path)
{
    if (strncmp(url, "http://", 7) != 0)
        return false;
    size_t len = strcspn(url + 7, "/");
    if (len == 0 || len >= size)
        return false;
    memcpy(address, url + 7, len);
    address[len] = '\0';
    *ret_path = url[7 + len] ? url + 7 + len : "/livez";
    return true;
}

/* /readyz tells in its body what is missing, a line each: they are told in one. */
static void complain(const char *url, enum err err, unsigned status, struct buffer *body)
{
    const char *text = buffer_text(body);

    fprintf(stderr, "roomcast probe: %s: ", url);
    if (status == 0) {
        fprintf(stderr, "%s\n", err == ERR_UNAVAILABLE ? "nobody listens there" : err_text(err));
        return;
    }
    fprintf(stderr, "answers with HTTP status %u", status);
    for (const char *at = text ? text : ""; *at;) {
        size_t len = strcspn(at, "\n");
        if (len > 0 && text_is_plain((struct slice){at, len}))
            fprintf(stderr, "%s%.*s", at == text ? ": " : "; ", (int)len, at);
        at += len + (at[len] == '\n');
    }
    fputc('\n', stderr);
}

static int ask(const char *url)
{
    char address[300], host[256];
    struct http_get request = {.host = host, .timeout_ms = TIMEOUT_MS};
    if (!parse(url, address, sizeof address, &request.path) ||
        config_split_address(address, host, &request.port) != ERR_OK || request.port == 0) {
        fprintf(stderr, "roomcast probe: \"%s\" is not http://host:port/path\n", url);
        return 2;
    }
    struct buffer body;
    unsigned status;
    buffer_init(&body, BODY_MAX);
    request.ret_status = &status;
    enum err err = http_get(&request, &body);
    if (err != ERR_OK)
        complain(url, err, status, &body);
    buffer_fini(&body);
    return err == ERR_OK ? 0 : 1;
}

static int run(int argc, char **argv)
{
    if (command_answer_help(&probe_command, argc, argv))
        return 0;
    if (argc > 1 || (argc == 1 && argv[0][0] == '-')) {
        fprintf(stderr, "roomcast probe: one address at most, and no options (roomcast probe --help)\n");
        return 2;
    }
    return ask(argc == 1 ? argv[0] : "http://127.0.0.1:9090/livez");
}

const struct command probe_command = {
    .name = "probe",
    .title = "ask a running node or relay whether it is well, as a container's health check",
    .usage = "[http://HOST:PORT/PATH]",
    .notes =
        "Without an address http://127.0.0.1:9090/livez is asked, a node's; a relay answers at port 9091. "
        "/readyz\nasks whether clients can be served, /livez only whether the process is alive. Exit status "
        "0: "
        "the answer\nwas 200. 1: it was not, or nobody answered within 3 s; a line on standard error says "
        "why.",
    .run = run,
};
