#include "ws_address.h"

#include <stdio.h>
#include <string.h>

#include <roomcast/base/slice.h>

static const char *split_port(const char *digits, size_t len, uint16_t *ret_port)
{
    unsigned port;
    if (len == 0)
        return NULL;
    if (digits[0] != ':' || !slice_parse_number((struct slice){digits + 1, len - 1}, UINT16_MAX, &port) ||
        port == 0)
        return "its port is not a number from 1 to 65535";
    *ret_port = (uint16_t)port;
    return NULL;
}

const char *ws_address_split(const char *url, struct ws_address *ret_address)
{
    struct ws_address address = {.port = 80};
    if (strncmp(url, "wss://", 6) == 0)
        address = (struct ws_address){.is_secured = true, .port = 443};
    else if (strncmp(url, "ws://", 5) != 0)
        return "it begins with neither ws:// nor wss://";
    for (const char *c = url; *c; c++) {
        if (*c <= ' ' || *c > '~')
            return "it holds spaces, or what is not ASCII";
    }
    const char *authority = url + (address.is_secured ? 6 : 5);
    size_t len = strcspn(authority, "/?#");
    bool is_v6 = authority[0] == '[';
    const char *end = is_v6 ? memchr(authority, ']', len) : memchr(authority, ':', len);
    const char *host = authority + is_v6;
    size_t host_len = end ? (size_t)(end - host) : len;
    if (strlen(url) > WS_ADDRESS_MAX || len >= sizeof address.authority || host_len >= sizeof address.host)
        return "it is too long";
    if (memchr(authority, '@', len))
        return "it holds a user or a password, which are not sent";
    if (strchr(url, '#'))
        return "it has a fragment (#), which is not sent";
    if (host_len == 0 || (is_v6 && !end))
        return "it names no host";
    snprintf(address.host, sizeof address.host, "%.*s", (int)host_len, host);
    snprintf(address.authority, sizeof address.authority, "%.*s", (int)len, authority);
    const char *port = end ? end + is_v6 : authority + len;
    address.path = authority + len;
    const char *fault = split_port(port, (size_t)(authority + len - port), &address.port);
    if (!fault)
        *ret_address = address;
    return fault;
}
