/* Prints the sample configuration file; cmake --install puts it in place. */
#include <stdio.h>

#include <roomcast/config/config.h>

int main(void)
{
    struct buffer text;

    buffer_init(&text, 1024 * 1024);
    config_sample(&text);
    int failed = buffer_failed(&text) || fputs(buffer_text(&text), stdout) == EOF || fflush(stdout) == EOF;
    buffer_fini(&text);
    return failed;
}
