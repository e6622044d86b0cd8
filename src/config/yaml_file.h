/* The YAML file: nested or dotted keys, and the list of events. */
#ifndef ROOMCAST_SRC_CONFIG_YAML_FILE_H
#define ROOMCAST_SRC_CONFIG_YAML_FILE_H

#include "draft.h"

/* Reads the file into the draft. Whatever is wrong with it is a fault that names file and line. */
void yaml_file_read(struct draft *draft, const char *path);

#endif
