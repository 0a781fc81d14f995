/* The runtime: loads a model and runs it. Each kind is a file that fills in `struct model`. */
#ifndef LATKIT_RUNTIME_H
#define LATKIT_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_INPUTS = 64, MAX_OUTPUTS = 128, MAX_RANK = 8 };

/* An error to report to the host: a kind for programs, and a message for people. */
struct failure {
    const char *kind;
    char message[1000];
};

/* Fill in a failure; always returns false, so that a caller can return it. */
bool fail_as(struct failure *failure, const char *kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

enum dtype { FLOAT32, FLOAT16, FLOAT64, INT64, INT32, INT16, INT8, UINT64, UINT32, UINT16, UINT8, BOOL, DTYPES };

struct input {
    char name[128];
    int64_t shape[MAX_RANK];
    size_t rank;
    enum dtype dtype;
};

struct bindings;
struct op_profile;

/* A model ready to run: everything is bound, `run` is one inference. */
struct model {
    bool (*run)(void *state, struct failure *failure);
    void (*release)(void *state);
    void *state;
    char version[64];
    const char *delegate;
    size_t input_count;
    struct input inputs[MAX_INPUTS];
    double create_s;    /* until the model could be run; 0 if unknown */
    double first_run_s; /* likewise */
    /* Profile a model that was loaded for it; NULL for others. */
    bool (*profile)(struct model *model, int64_t runs, double seconds, struct op_profile *out, struct failure *failure);
};

/* A request to a runtime. `libraries`: the folder of its library. */
struct spec {
    const char *path;
    const char *libraries;
    int threads;
    int64_t batch;
    const struct bindings *bindings; /* values of the inputs; NULL for random ones */
    const char *signature;           /* of a TFLite file; empty for the first */
    const char *trace;               /* load it with the runtime's profiler, whose file has this prefix; or NULL */
};

struct runtime {
    const char *name;
    bool (*load)(const struct spec *spec, struct model *model, struct failure *failure);
    /* The version of the library in that folder, once it can be called. */
    bool (*probe_version)(const char *libraries, char version[64], struct failure *failure);
};

extern const struct runtime onnxruntime, tflite;

enum { RUNTIMES = 2 };
extern const struct runtime *const RUNTIME[RUNTIMES];

/* The library of that name in the folder, or NULL with a failure of kind `runtime-missing`. */
void *open_library(const char *folder, const char *name, struct failure *failure);

/* Look up a function and store its address at `place`. A failure of kind `runtime-missing` if it does not exist. */
bool find_function(void *library, const char *name, void *place, struct failure *failure);

const char *dtype_name(enum dtype dtype);

/* The type of that name, as numpy has it. */
bool find_dtype(const char *name, enum dtype *dtype);

/* Bytes that an input takes, which may be none; false if that exceeds the limit. */
bool count_bytes(const struct input *input, size_t *bytes);

/* The shape with its free batch filled in, or a failure. */
bool resolve_shape(struct input *input, int64_t batch, struct failure *failure);

/* Bytes that an input takes, or 0 if that exceeds the limit. */
size_t input_bytes(const struct input *input);

/* Normal random numbers from a fixed seed, never zeros: some kernels are faster on zeros. Integers are 30 times
 * wider. */
void fill_random(void *values, const struct input *input, uint64_t seed);

enum { SEED = 20181202 };

#endif
