#include <roomcast/core/close_reason.h>

#include <assert.h>

static const struct close_reason_row rows[CLOSE_REASON_COUNT] = {
#define CLOSE_REASON_ROW(name, close_code, words, counter)                                                   \
    [CLOSE_##name] = {.code = (close_code), .text = (words), .metric = (counter)},
    CLOSE_REASON_LIST(CLOSE_REASON_ROW)
#undef CLOSE_REASON_ROW
};

const struct close_reason_row *close_reason_row(enum close_reason reason)
{
    assert((unsigned)reason < CLOSE_REASON_COUNT);
    return &rows[reason];
}

bool close_reason_may_reconnect(enum close_reason reason)
{
    return close_reason_row(reason)->code >= 4100;
}
