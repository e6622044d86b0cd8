#include "jwks_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <roomcast/io/https_client.h>

#define MESSAGE_SIZE 512

static const char *check_url(const char *url)
{
    static char message[MESSAGE_SIZE];
    const char *fault = https_client_fault(url);

    if (!fault)
        return NULL;
    /* Not the address itself: it may hold a password. */
    snprintf(message, sizeof message,
             "auth.jwks_url: %s: it must be like "
             "https://login.example.com/realms/example/protocol/openid-connect/certs",
             fault);
    return message;
}

static const char *check_ca_file(const char *path)
{
    static char message[MESSAGE_SIZE];

    if (path[0] == '\0' || access(path, R_OK) == 0)
        return NULL;
    snprintf(message, sizeof message, "auth.jwks_ca_file = \"%.256s\": %s", path, strerror(errno));
    return message;
}

const char *jwks_check(const struct config *config)
{
    if (config->auth_jwks_url[0] == '\0')
        return config->auth_jwks_ca_file[0]
                   ? "auth.jwks_ca_file is set without auth.jwks_url, whose authorities it names"
                   : NULL;
    const char *fault = check_url(config->auth_jwks_url);
    return fault ? fault : check_ca_file(config->auth_jwks_ca_file);
}
