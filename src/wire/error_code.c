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
