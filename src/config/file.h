/* Whole small files, at once. */
#ifndef ROOMCAST_SRC_CONFIG_FILE_H
#define ROOMCAST_SRC_CONFIG_FILE_H

#include <stddef.h>

#define FILE_SECRET_SIZE (8 * 1024) /* bytes; no row of the table allows a longer secret */

/* Reads the file into `bytes`, which has `size`. Returns NULL and the length, which is below `size`, or says
 * why not; the text is valid until the next call. */
const char *file_read(const char *path, char *bytes, size_t size, size_t *ret_len);
/* The same of a file with a secret: without the newline at its end; neither empty nor with a NUL byte. The
 * caller wipes `bytes`. */
const char *file_read_secret(const char *path, char bytes[FILE_SECRET_SIZE], size_t *ret_len);

#endif
