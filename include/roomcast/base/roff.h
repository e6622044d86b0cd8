/* Text as it may stand in a manual page (man(7)). */
#ifndef ROOMCAST_BASE_ROFF_H
#define ROOMCAST_BASE_ROFF_H

#include <roomcast/base/buffer.h>

/* `text` may have several lines. Backslashes and hyphens are taken as they are, and no line begins a request.
 */
void roff_append(struct buffer *out, const char *text);

#endif
