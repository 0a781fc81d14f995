/* Model files: what the requests `load`, `pace`, `profile` and `ops` do for a user's own file. */
#ifndef LATKIT_MODEL_FILE_H
#define LATKIT_MODEL_FILE_H

#include "models/bindings.h"
#include "protocol/json.h"
#include "protocol/json_writer.h"
#include "runtimes/runtime.h"

/* What a request to load names beside the model, until `loading_end`. */
struct loading {
    struct bindings bindings;
    char signature[128];
    char trace[1100];
    char folder[1024]; /* of external data; empty without any */
    int64_t before_bytes;
};

/* Read the optional fields of a request to load the model at `path`, which changes if it has external data. */
bool loading_begin(struct loading *loading, const struct json *request, const char *models, const char *sha256,
                   char path[1024], struct spec *spec, struct failure *failure);
void loading_end(struct loading *loading);

/* Members of the response to `load`. */
void write_loading(struct json_writer *out, const struct loading *loading, const struct spec *spec,
                   const struct model *model);

bool answer_pace(const struct model *model, double interval_s, int64_t runs, struct json_writer *out,
                 struct failure *failure);

#endif
