#include <roomcast/base/roff.h>

void roff_append(struct buffer *out, const char *text)
{
    bool begins = true;

    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\''))
            buffer_append_text(out, "\\&");
        begins = *text == '\n';
        switch (*text) {
        case '\\':
            buffer_append_text(out, "\\e");
            break;
        case '-':
            buffer_append_text(out, "\\-");
            break;
        default:
            buffer_append_char(out, *text);
        }
    }
}
