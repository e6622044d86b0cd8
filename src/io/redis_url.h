/* redis://[[user]:password@]host[:port][/db], in parts. */
#ifndef ROOMCAST_IO_REDIS_URL_H
#define ROOMCAST_IO_REDIS_URL_H

#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>

struct redis_url {
    char host[256];
    uint16_t port;
    unsigned db;
    char user[128];      /* "" when none */
    char password[1024]; /* "" when none */
};

/* ERR_CONFIG with `problem` (size bytes), which never quotes the URL: it may hold a password. */
enum err redis_url_parse(const char *url, struct redis_url *ret_url, char *problem, size_t size) MUST_CHECK;

#endif
