/* The models: files in the agent's folder, named by the SHA-256 of their content. */
#ifndef LATKIT_MODELS_H
#define LATKIT_MODELS_H

#include <stdbool.h>

#include "models/sha256.h"
#include "protocol/json_writer.h"
#include "runtimes/runtime.h"

/* Create the folder and its missing parents; false if that fails. */
bool models_make_folder(const char *folder);

/* Whether this is a SHA-256 in hex. */
bool is_sha256(const char *name);

/* Write the names of the models in the folder, sorted, as a JSON array. */
void write_models(struct json_writer *out, const char *folder);

/* The path of a model whose content matches its name; a file with other content is removed. */
bool models_verify(const char *folder, const char *sha256, char *path, size_t size, struct failure *failure);

#endif
