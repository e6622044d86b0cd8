#include "redis_url.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/random.h>
#include <roomcast/base/slice.h>

#define DEFAULT_PORT 6379
#define DB_MAX       65535

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 section 2.1. */
static bool percent_decode(struct slice text, char *out, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_digit(text.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || len + 1 >= size)
            return false;
        out[len++] = c;
    }
    out[len] = '\0';
    return true;
}

static bool parse_number(struct slice text, unsigned long max, unsigned long *ret_value)
{
    unsigned long value = 0;

    if (text.len == 0 || text.len > 5)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (unsigned long)(text.data[i] - '0');
    }
    if (value > max)
        return false;
    *ret_value = value;
    return true;
}

/* [user][:password] */
static const char *parse_credentials(struct slice text, struct redis_url *url)
{
    const char *colon = memchr(text.data, ':', text.len);

    if (!colon)
        return "redis.url names a user but no password: write user:password@ or :password@";
    if (!percent_decode((struct slice){text.data, (size_t)(colon - text.data)}, url->user, sizeof url->user))
        return "the user in redis.url is too long or has a wrong %XX";
    struct slice password = {colon + 1, text.len - (size_t)(colon + 1 - text.data)};
    if (!percent_decode(password, url->password, sizeof url->password))
        return "the password in redis.url is too long or has a wrong %XX";
    return url->password[0] ? NULL : "the password in redis.url is empty";
}

/* host[:port] or [v6][:port] */
static const char *parse_host(struct slice text, struct redis_url *url)
{
    struct slice host = text, port = {NULL, 0};
    unsigned long number;

    if (text.len && text.data[0] == '[') {
        const char *end = memchr(text.data, ']', text.len);
        if (!end)
            return "redis.url has a '[' without ']'";
        host = (struct slice){text.data + 1, (size_t)(end - text.data) - 1};
        port = (struct slice){end + 1, text.len - (size_t)(end + 1 - text.data)};
        if (port.len && port.data[0] != ':')
            return "redis.url has something other than :port after ']'";
    } else {
        const char *colon = memchr(text.data, ':', text.len);
        if (colon) {
            host.len = (size_t)(colon - text.data);
            port = (struct slice){colon, text.len - host.len};
        }
    }
    if (host.len == 0 || host.len >= sizeof url->host)
        return "redis.url has no host name, or one that is too long";
    memcpy(url->host, host.data, host.len);
    url->host[host.len] = '\0';
    if (port.len) {
        port.data++;
        port.len--;
        if (!parse_number(port, 65535, &number) || number == 0)
            return "the port in redis.url is not a number from 1 to 65535";
        url->port = (uint16_t)number;
    }
    return NULL;
}

static const char *parse(const char *text, struct redis_url *url)
{
    static const char scheme[] = "redis://";
    unsigned long number;
    const char *problem;

    if (strncmp(text, "rediss://", 9) == 0)
        return "redis.url asks for TLS, which is not supported: use a TLS proxy beside the relay";
    if (strncmp(text, scheme, sizeof scheme - 1) != 0)
        return "redis.url does not begin with redis://";
    struct slice rest = slice_of(text + sizeof scheme - 1);
    /* A password may hold '/' and '@' unescaped in practice: the last '@' ends it. */
    const char *at = rest.len ? memrchr(rest.data, '@', rest.len) : NULL;
    if (at) {
        problem = parse_credentials((struct slice){rest.data, (size_t)(at - rest.data)}, url);
        if (problem)
            return problem;
        rest = slice_of(at + 1);
    }
    const char *slash = rest.len ? memchr(rest.data, '/', rest.len) : NULL;
    if (slash) {
        struct slice db = slice_of(slash + 1);
        if (db.len && !parse_number(db, DB_MAX, &number))
            return "the database in redis.url is not a number";
        url->db = db.len ? (unsigned)number : 0;
        rest.len = (size_t)(slash - rest.data);
    }
    return parse_host(rest, url);
}

enum err redis_url_parse(const char *url, struct redis_url *ret_url, char *problem, size_t size)
{
    struct redis_url parts = {.port = DEFAULT_PORT};
    const char *fault = parse(url, &parts);

    if (fault) {
        snprintf(problem, size, "%s", fault);
        wipe(&parts, sizeof parts);
        return ERR_CONFIG;
    }
    *ret_url = parts;
    wipe(&parts, sizeof parts);
    return ERR_OK;
}
