#include <roomcast/base/err.h>

#include <ctype.h>
#include <pthread.h>
#include <stddef.h>

static const struct {
    const char *code; /* as in the source: "ERR_SYNTAX" */
    const char *text;
    enum err_category category;
} rows[] = {
#define ERR_ROW(code, category, text) [code] = {#code, text, ERR_CATEGORY_##category},
    ERR_LIST(ERR_ROW)
#undef ERR_ROW
};

static pthread_once_t names_once = PTHREAD_ONCE_INIT;
static char names[ERR_COUNT][24]; /* written once, under names_once */

/* The preprocessor cannot lower a name's case, and a second column to keep in step by hand would drift. */
static void make_names(void)
{
    for (size_t row = 0; row < ERR_COUNT; row++) {
        const char *code = rows[row].code + sizeof "ERR_" - 1;
        for (size_t i = 0; code[i] && i < sizeof names[row] - 1; i++)
            names[row][i] = (char)tolower((unsigned char)code[i]);
    }
}

/* A number that is no error is a bug of ours, and is reported as one. */
static enum err known(enum err err)
{
    return (unsigned)err < ERR_COUNT ? err : ERR_BUG;
}

const char *err_name(enum err err)
{
    pthread_once(&names_once, make_names);
    return names[known(err)];
}

const char *err_text(enum err err)
{
    return rows[known(err)].text;
}

enum err_category err_category(enum err err)
{
    return rows[known(err)].category;
}
