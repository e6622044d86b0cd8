#include <roomcast/config/config.h>

#include <arpa/inet.h>
#include <string.h>

#define HOST_SIZE 256 /* bytes, with NUL */

static enum err parse_port(const char *text, uint16_t *ret_port)
{
    unsigned port = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || text[digits] != '\0')
        return ERR_SYNTAX;
    if (digits > 5)
        return ERR_RANGE;
    for (size_t i = 0; i < digits; i++)
        port = port * 10 + (unsigned)(text[i] - '0');
    if (port > UINT16_MAX)
        return ERR_RANGE;
    *ret_port = (uint16_t)port;
    return ERR_OK;
}

/* Whether the first `len` bytes of `host` are an IPv4 address or a host name by their characters. */
static bool is_host(const char *host, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = host[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' &&
            c != '-' && c != '_')
            return false;
    }
    return len > 0;
}

static bool is_v6(const char *text)
{
    struct in6_addr ignored;

    return inet_pton(AF_INET6, text, &ignored) == 1;
}

enum err config_split_address(const char *address, char *host, uint16_t *ret_port)
{
    bool bracketed = address[0] == '[';
    const char *start = address + bracketed;
    const char *end = strchr(start, bracketed ? ']' : ':');
    char name[HOST_SIZE];
    uint16_t port;

    if (!end || (bracketed && end[1] != ':'))
        return ERR_SYNTAX;
    size_t len = (size_t)(end - start);
    if (len >= HOST_SIZE)
        return ERR_TOO_BIG;
    memcpy(name, start, len);
    name[len] = '\0';
    if (bracketed ? !is_v6(name) : !is_host(name, len))
        return ERR_SYNTAX;
    enum err err = parse_port(end + 1 + bracketed, &port);
    if (err)
        return err;
    memcpy(host, name, len + 1);
    *ret_port = port;
    return ERR_OK;
}
