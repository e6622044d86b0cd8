/* Whole small files, at once. */
#ifndef ROOMCAST_SRC_CONFIG_FILE_H
#define ROOMCAST_SRC_CONFIG_FILE_H

#include <stddef.h>

/* Reads the file into `bytes`, which has `size`. Returns NULL and the length, which is below `size`, or says
 * why not; the text is valid until the next call. */
const char *file_read(const char *path, char *bytes, size_t size, size_t *ret_len);

#endif
