#include "probe_command.h"

#include <stdio.h>
#include <string.h>

#include <roomcast/config/config.h>
#include <roomcast/io/http_get.h>

#define TIMEOUT_MS 3000
#define BODY_MAX   4096

static const char help[] =
    "roomcast probe: ask a running node or relay whether it is well, as a container's health check\n"
    "\n"
    "usage: roomcast probe [http://HOST:PORT/PATH]\n"
    "\n"
    "Without an address http://127.0.0.1:9090/livez is asked, a node's; a relay answers at port 9091. "
    "/readyz\n"
    "asks whether clients can be served, /livez only whether the process is alive. Exit status 0: the "
    "answer\n"
    "was 200. 1: it was not, or nobody answered within 3 s; a line on standard error says why.\n";

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
    buffer_init(&body, BODY_MAX);
    enum err err = http_get(&request, &body);
    buffer_fini(&body);
    if (err != ERR_OK)
        fprintf(stderr, "roomcast probe: %s: %s\n", url,
                err == ERR_UNAVAILABLE ? "nobody answers there, or not with 200" : err_text(err));
    return err == ERR_OK ? 0 : 1;
}

int probe_command(int argc, char **argv)
{
    if (argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)) {
        fputs(help, stdout);
        return 0;
    }
    if (argc > 1 || (argc == 1 && argv[0][0] == '-')) {
        fprintf(stderr, "roomcast probe: one address at most, and no options (roomcast probe --help)\n");
        return 2;
    }
    return ask(argc == 1 ? argv[0] : "http://127.0.0.1:9090/livez");
}
