/* Everything that gives values to options except the YAML file: each reads its source into the draft. */
#ifndef ROOMCAST_SRC_CONFIG_SOURCES_H
#define ROOMCAST_SRC_CONFIG_SOURCES_H

#include "draft.h"

/* What the command line says besides options. */
struct command {
    bool help, version, print_config, check_config;
    const char *file; /* borrowed from argv or the environment; NULL for none */
};

/* Sets the options that stand on the command line; what it cannot understand is a fault. */
void command_line_read(struct draft *draft, struct command *ret_command);

/* The defaults and the request's overrides. */
void defaults_read(struct draft *draft);
/* ROOMCAST_...; also names the file when the command line did not. */
void environment_read(struct draft *draft, struct command *command);
/* Replaces <key>_file by the file's content; only for the program's own options, since one configuration
 * serves both programs and the other one's secrets need not be readable here. */
void secret_files_read(struct draft *draft);
/* An empty node.name becomes the host name. */
void host_name_read(struct draft *draft);

#endif
