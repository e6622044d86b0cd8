#include "tls_exit.h"

#include <openssl/ssl.h>

void tls_forget_compression_methods(void)
{
    sk_SSL_COMP_free(SSL_COMP_set0_compression_methods(NULL));
}
