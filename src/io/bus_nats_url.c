#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus_nats.h"

#define URL_MAX 1024

/* The URL with its user and password left out. */
static enum err refuse(const char *url, const char *why, char *problem)
{
    const char *at = strrchr(url, '@');

    snprintf(problem, BUS_PROBLEM_SIZE, "NATS URL %s%.160s: %s", at ? "...@" : "", at ? at + 1 : url, why);
    return ERR_CONFIG;
}

static bool is_port(const char *text)
{
    unsigned port;

    return slice_parse_number(slice_of(text), 65535, &port) && port > 0;
}

enum err bus_nats_url_check(const char *url, bool *ret_secure, char *problem)
{
    bool secure = strncmp(url, "tls://", 6) == 0;
    const char *authority = url + (secure ? 6 : 7);

    if (strlen(url) > URL_MAX)
        return refuse("", "too long", problem);
    for (const char *p = url; *p; p++)
        if (!isgraph((unsigned char)*p))
            return refuse("", "has a character that no URL has", problem);
    if (!secure && strncmp(url, "nats://", 7) != 0)
        return refuse(url, "must start with nats:// or tls://", problem);
    const char *at = strrchr(authority, '@');
    const char *host = at ? at + 1 : authority;
    if (at == authority)
        return refuse(url, "has an @ but no user", problem);
    const char *bracket = *host == '[' ? strchr(host, ']') : NULL;
    const char *colon = strchr(bracket ? bracket : host, ':');
    if (strpbrk(host, "/?#"))
        return refuse(url, "must end after the port", problem);
    if (*host == '\0' || colon == host || (*host == '[' && !bracket))
        return refuse(url, "has no host", problem);
    if (colon && !is_port(colon + 1))
        return refuse(url, "has no valid port", problem);
    *ret_secure = secure;
    return ERR_OK;
}
