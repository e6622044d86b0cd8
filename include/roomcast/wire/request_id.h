/* The `id` that a client may put on a message and gets back in the reply. */
#ifndef ROOMCAST_WIRE_REQUEST_ID_H
#define ROOMCAST_WIRE_REQUEST_ID_H

#include <stdint.h>

#define REQUEST_ID_TEXT_MAX 64 /* bytes */

struct request_id {
    enum { REQUEST_ID_NONE, REQUEST_ID_NUMBER, REQUEST_ID_TEXT } kind;
    uint32_t number;
    char text[REQUEST_ID_TEXT_MAX + 1];
};

#endif
