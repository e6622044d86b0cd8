#include "explain.h"

#include <stdio.h>

#include <roomcast/wire/http_reply.h>

#include "print.h"

static void append_reply(const struct ws_client_failure *failure, char *text, size_t size)
{
    struct http_reply reply;

    text[0] = '\0';
    if (http_reply_parse(slice_of(failure->body), &reply) == ERR_OK && reply.message[0])
        snprintf(text, size, ": %s", reply.message);
}

/* What to do about an answer that is no upgrade. */
static void explain_refusal(const char *url, const struct ws_client_failure *failure)
{
    char said[HTTP_REPLY_MESSAGE_SIZE + 4];
    const char *advice;

    append_reply(failure, said, sizeof said);
    switch (failure->status) {
    case 401:
        advice = "the token is refused; is it made with the node's key (auth.*), and still good?";
        break;
    case 403:
        advice = "the node lets nobody in from here (allowed_origins)";
        break;
    case 404:
        advice = "there is no WebSocket at this path; a node's is /ws";
        break;
    case 429:
        advice = "the user, or this address, has as many connections as allowed (limits.connections_per_*)";
        break;
    case 503:
        advice = "the node takes nobody now; try again later, or another one";
        break;
    default:
        advice = "is it a node's address (listen)?";
    }
    print_note("%s answers %u%s; %s\n", url, failure->status, said, advice);
}

void explain_failure(const char *url, enum err err, const struct ws_client_failure *failure)
{
    if (err == ERR_MISMATCH && failure->status != 0 && failure->status != 101)
        explain_refusal(url, failure);
    else if (err == ERR_SIGNATURE)
        print_note("%s: %s; --ca names whom to trust\n", url, failure->problem);
    else if (err == ERR_UNAVAILABLE || err == ERR_TIMEOUT)
        print_note("%s: %s; is a node running there?\n", url, failure->problem);
    else
        print_note("%s: %s\n", url, failure->problem);
}
