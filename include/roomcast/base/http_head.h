/* The head of an HTTP message as it came (RFC 9112): what clients of few words need of it.   Thread: any. */
#ifndef ROOMCAST_BASE_HTTP_HEAD_H
#define ROOMCAST_BASE_HTTP_HEAD_H

#include <roomcast/base/slice.h>

/* The value of the first header of that name, in any case, without the white space around it. Without data
 * when there is none; `head` ends with the end of a line. */
struct slice http_head_find(struct slice head, const char *name);

#endif
