/* Bindings: a user's own model file, with the values of its inputs and its external data; see docs/agent-protocol.md. */
#ifndef LATKIT_BINDINGS_H
#define LATKIT_BINDINGS_H

#include "protocol/json.h"
#include "runtimes/runtime.h"

enum { MAX_EXTERNAL = 64 };

/* The values of an input: a part of a file, in C order and little-endian. */
struct bindings {
    char path[1024];
    size_t count;
    struct {
        struct input input;
        int64_t offset;
    } entries[MAX_INPUTS];
};

/* Read the field `bindings` of a request; the file of the values is verified. */
bool read_bindings(const struct json *field, const char *folder, struct bindings *bindings, struct failure *failure);

/* Name, shape and type of the input of that name; a failure if the request has no values for it. */
bool bound_input(const struct bindings *bindings, const char *name, struct input *input, struct failure *failure);

/* Copy the values of an input of that name, `input_bytes` of them. */
bool read_bound(const struct bindings *bindings, const char *name, void *values, struct failure *failure);

/* Put a model beside its external data, under the names that it gives them; `path` becomes the model's path there.
 * `folder` is to be removed by `remove_links` in any case. */
bool link_external(const struct json *field, const char *models, const char *sha256, char path[1024],
                   char folder[1024], struct failure *failure);
void remove_links(const char *folder);

#endif
