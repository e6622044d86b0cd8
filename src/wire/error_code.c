#include <roomcast/wire/error_code.h>

#include <assert.h>

static const struct {
    const char *text;
    bool temporary;
    const char *meaning;
} rows[] = {
#define ERROR_CODE_ROW(code, temporary, meaning) {#code, temporary, meaning},
    ERROR_CODE_LIST(ERROR_CODE_ROW)
#undef ERROR_CODE_ROW
};

const char *error_code_text(enum error_code code)
{
    assert((unsigned)code < ERROR_CODE_COUNT);
    return rows[code].text;
}

bool error_code_find(struct slice text, enum error_code *ret_code)
{
    for (unsigned code = 0; code < ERROR_CODE_COUNT; code++) {
        if (!slice_equal(text, slice_of(rows[code].text)))
            continue;
        *ret_code = (enum error_code)code;
        return true;
    }
    return false;
}

const char *error_code_meaning(enum error_code code)
{
    assert((unsigned)code < ERROR_CODE_COUNT);
    return rows[code].meaning;
}

bool error_code_temporary(enum error_code code)
{
    assert((unsigned)code < ERROR_CODE_COUNT);
    return rows[code].temporary;
}
