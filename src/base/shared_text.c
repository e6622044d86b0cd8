#include <roomcast/base/shared_text.h>

#include <stdlib.h>
#include <string.h>

struct shared_text *shared_text_new(struct slice text)
{
    struct shared_text *shared = malloc(sizeof *shared + text.len);
    if (!shared)
        return NULL;
    atomic_init(&shared->holders, 1);
    shared->len = text.len;
    if (text.len > 0)
        memcpy(shared->text, text.data, text.len);
    return shared;
}

struct shared_text *shared_text_ref(struct shared_text *text)
{
    if (text)
        atomic_fetch_add_explicit(&text->holders, 1, memory_order_relaxed);
    return text;
}

void shared_text_unref(struct shared_text **text)
{
    if (*text && atomic_fetch_sub_explicit(&(*text)->holders, 1, memory_order_acq_rel) == 1)
        free(*text);
    *text = NULL;
}
