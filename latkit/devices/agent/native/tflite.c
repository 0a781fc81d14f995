/* TFLite by the C API of LiteRT, with the delegate that it applies on a CPU by default: XNNPACK.
 *
 * The wheel comes without headers, and functions have changed between releases: the declarations below are the API of
 * exactly LITERT_VERSION, which the build defines and the bundle contains. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"

static const char LIBRARY[] = "libLiteRt.so";

enum { CPU = 1, HOST_MEMORY = 1, LOCK_TO_WRITE = 1, MAX_SIDES = 8 };

/* The API's numbers for element types. */
static const int ELEMENT_TYPE[DTYPES] = {[FLOAT32] = 1, [INT32] = 2,    [UINT8] = 3,   [INT64] = 4,
                                         [INT8] = 9,    [FLOAT16] = 10, [FLOAT64] = 11};

typedef void *Handle; /* of whatever the library owns */

struct tensor_type {
    int element_type;
    unsigned int rank : 7;
    unsigned int has_strides : 1;
    int32_t dimensions[MAX_SIDES];
    uint32_t strides[MAX_SIDES];
};
_Static_assert(sizeof(struct tensor_type) == 72, "LiteRtRankedTensorType has 72 bytes");

/* Each returns a status: 0 on success. */
static struct {
    int (*CreateEnvironment)(int option_count, const void *options, Handle *environment);
    int (*CreateModelFromFile)(Handle environment, const char *path, Handle *model);
    int (*CreateOptions)(Handle *options);
    int (*SetOptionsHardwareAccelerators)(Handle options, int accelerators);
    int (*CreateOpaqueOptions)(const char *kind, void *toml, void (*destroy)(void *), Handle *opaque);
    int (*AddOpaqueOptions)(Handle options, Handle opaque);
    int (*CreateCompiledModel)(Handle environment, Handle model, Handle options, Handle *compiled);
    int (*GetModelSignature)(Handle model, size_t index, Handle *signature);
    int (*GetNumSignatureInputs)(Handle signature, size_t *count);
    int (*GetNumSignatureOutputs)(Handle signature, size_t *count);
    int (*GetSignatureInputName)(Handle signature, size_t index, const char **name);
    int (*GetSignatureInputTensorByIndex)(Handle signature, size_t index, Handle *tensor);
    int (*GetSignatureOutputTensorByIndex)(Handle signature, size_t index, Handle *tensor);
    int (*GetRankedTensorType)(Handle tensor, struct tensor_type *type);
    int (*GetCompiledModelInputBufferRequirements)(Handle compiled, size_t signature, size_t index, Handle *needs);
    int (*GetCompiledModelOutputBufferRequirements)(Handle compiled, size_t signature, size_t index, Handle *needs);
    int (*CreateManagedTensorBufferFromRequirements)(Handle environment, const struct tensor_type *type, Handle needs,
                                                     Handle *buffer);
    int (*GetTensorBufferPackedSize)(Handle buffer, size_t *bytes);
    int (*LockTensorBuffer)(Handle buffer, void **address, int mode);
    int (*UnlockTensorBuffer)(Handle buffer);
    int (*RunCompiledModel)(Handle compiled, size_t signature, size_t input_count, Handle *inputs, size_t output_count,
                            Handle *outputs);
    void (*DestroyTensorBuffer)(Handle);
    void (*DestroyCompiledModel)(Handle);
    void (*DestroyOptions)(Handle);
    void (*DestroyModel)(Handle);
} api;

static Handle environment; /* created once and never freed */

struct compiled {
    Handle model;
    Handle signature;
    Handle compiled;
    Handle inputs[MAX_INPUTS];
    Handle outputs[MAX_OUTPUTS];
    size_t input_count;
    size_t output_count;
};

static bool find_functions(void *library, struct failure *failure) {
#define FIND(name) find_function(library, "LiteRt" #name, &api.name, failure)
    return FIND(CreateEnvironment) && FIND(CreateModelFromFile) && FIND(CreateOptions) &&
           FIND(SetOptionsHardwareAccelerators) && FIND(CreateOpaqueOptions) && FIND(AddOpaqueOptions) &&
           FIND(CreateCompiledModel) && FIND(GetModelSignature) && FIND(GetNumSignatureInputs) &&
           FIND(GetNumSignatureOutputs) && FIND(GetSignatureInputName) && FIND(GetSignatureInputTensorByIndex) &&
           FIND(GetSignatureOutputTensorByIndex) && FIND(GetRankedTensorType) &&
           FIND(GetCompiledModelInputBufferRequirements) && FIND(GetCompiledModelOutputBufferRequirements) &&
           FIND(CreateManagedTensorBufferFromRequirements) && FIND(GetTensorBufferPackedSize) &&
           FIND(LockTensorBuffer) && FIND(UnlockTensorBuffer) && FIND(RunCompiledModel) && FIND(DestroyTensorBuffer) &&
           FIND(DestroyCompiledModel) && FIND(DestroyOptions) && FIND(DestroyModel);
#undef FIND
}

static bool probe_version(const char *libraries, char found[64], struct failure *failure) {
    static bool ready;
    if (!ready) {
        void *library = open_library(libraries, LIBRARY, failure);
        if (!library || !find_functions(library, failure)) return false;
        ready = true;
    }
    snprintf(found, 64, "ai-edge-litert %s", LITERT_VERSION);
    return true;
}

/* Whether a status is success; otherwise it becomes a failure. */
static bool succeeded(int status, const char *doing, struct failure *failure) {
    enum { NO_MEMORY = 2 };
    return status == 0 ||
           fail_as(failure, status == NO_MEMORY ? "memory" : "bad-model", "LiteRT gave status %d on %s", status, doing);
}

static void release(void *state) {
    struct compiled *compiled = state;
    for (size_t i = 0; i < MAX_INPUTS; i++) {
        if (compiled->inputs[i]) api.DestroyTensorBuffer(compiled->inputs[i]);
    }
    for (size_t i = 0; i < MAX_OUTPUTS; i++) {
        if (compiled->outputs[i]) api.DestroyTensorBuffer(compiled->outputs[i]);
    }
    if (compiled->compiled) api.DestroyCompiledModel(compiled->compiled);
    if (compiled->model) api.DestroyModel(compiled->model);
    free(compiled);
}

static bool run(void *state, struct failure *failure) {
    struct compiled *c = state;
    return succeeded(api.RunCompiledModel(c->compiled, 0, c->input_count, c->inputs, c->output_count, c->outputs),
                     "running the model", failure);
}

/* Options for the CPU with this many threads. The kind of options is called xnnpack, and their text is TOML. */
static bool make_options(int threads, Handle *options, struct failure *failure) {
    Handle opaque = NULL;
    char *toml = malloc(32);
    if (!toml) return fail_as(failure, "memory", "no memory for options");
    snprintf(toml, 32, "num_threads = %d\n", threads);
    if (!succeeded(api.CreateOpaqueOptions("xnnpack", toml, free, &opaque), "making options of XNNPACK", failure)) {
        free(toml);
        return false;
    }
    return succeeded(api.CreateOptions(options), "making options", failure) &&
           succeeded(api.SetOptionsHardwareAccelerators(*options, CPU), "choosing the CPU", failure) &&
           succeeded(api.AddOpaqueOptions(*options, opaque), "choosing the number of threads", failure);
}

static bool open_model(struct compiled *compiled, const struct spec *spec, struct failure *failure) {
    Handle options = NULL;
    bool done =
        succeeded(api.CreateModelFromFile(environment, spec->path, &compiled->model), "reading the file", failure) &&
        make_options(spec->threads, &options, failure) &&
        succeeded(api.CreateCompiledModel(environment, compiled->model, options, &compiled->compiled),
                  "compiling the model", failure) &&
        succeeded(api.GetModelSignature(compiled->model, 0, &compiled->signature), "the signature", failure) &&
        succeeded(api.GetNumSignatureInputs(compiled->signature, &compiled->input_count), "the inputs", failure) &&
        succeeded(api.GetNumSignatureOutputs(compiled->signature, &compiled->output_count), "the outputs", failure);
    if (options) api.DestroyOptions(options);
    if (done && (compiled->input_count > MAX_INPUTS || compiled->output_count > MAX_OUTPUTS)) {
        return fail_as(failure, "bad-model", "expected at most %d inputs and %d outputs, but found %zu and %zu",
                       MAX_INPUTS, MAX_OUTPUTS, compiled->input_count, compiled->output_count);
    }
    return done;
}

static bool describe(struct input *input, const struct tensor_type *type, struct failure *failure) {
    for (input->dtype = 0; input->dtype < DTYPES && ELEMENT_TYPE[input->dtype] != type->element_type;) input->dtype++;
    if (input->dtype == DTYPES || type->rank > MAX_SIDES) {
        return fail_as(failure, "bad-model", "expected an input of numbers, but found element type %d with %u sides",
                       type->element_type, (unsigned)type->rank);
    }
    input->rank = type->rank;
    for (size_t i = 0; i < input->rank; i++) input->shape[i] = type->dimensions[i];
    return true;
}

static bool fill(Handle buffer, const struct input *input, uint64_t seed, struct failure *failure) {
    void *values = NULL;
    size_t bytes = 0;
    if (!succeeded(api.GetTensorBufferPackedSize(buffer, &bytes), "an input's size", failure)) return false;
    if (bytes < input_bytes(input))
        return fail_as(failure, "bad-model", "the input %s has only %zu bytes", input->name, bytes);
    if (!succeeded(api.LockTensorBuffer(buffer, &values, LOCK_TO_WRITE), "writing an input", failure)) return false;
    fill_random(values, input, seed);
    return succeeded(api.UnlockTensorBuffer(buffer), "writing an input", failure);
}

/* Describe an input, and bind a buffer with random numbers to it. */
static bool bind_input(struct compiled *c, size_t index, struct input *input, int64_t batch, struct failure *failure) {
    Handle tensor = NULL, needs = NULL;
    struct tensor_type type = {0};
    const char *name = "";
    if (!succeeded(api.GetSignatureInputName(c->signature, index, &name), "an input's name", failure) ||
        !succeeded(api.GetSignatureInputTensorByIndex(c->signature, index, &tensor), "an input", failure) ||
        !succeeded(api.GetRankedTensorType(tensor, &type), "an input's shape", failure)) {
        return false;
    }
    snprintf(input->name, sizeof input->name, "%s", name);
    if (!describe(input, &type, failure)) return false;
    if (input->rank > 0 && input->shape[0] <= 0) {
        return fail_as(failure, "bad-model", "expected a file of fixed batch: export it for batch %lld",
                       (long long)batch);
    }
    return resolve_shape(input, batch, failure) &&
           succeeded(api.GetCompiledModelInputBufferRequirements(c->compiled, 0, index, &needs), "an input's needs",
                     failure) &&
           succeeded(api.CreateManagedTensorBufferFromRequirements(environment, &type, needs, &c->inputs[index]),
                     "making an input", failure) &&
           fill(c->inputs[index], input, SEED + index, failure);
}

static bool bind_output(struct compiled *c, size_t index, struct failure *failure) {
    Handle tensor = NULL, needs = NULL;
    struct tensor_type type = {0};
    return succeeded(api.GetSignatureOutputTensorByIndex(c->signature, index, &tensor), "an output", failure) &&
           succeeded(api.GetRankedTensorType(tensor, &type), "an output's shape", failure) &&
           succeeded(api.GetCompiledModelOutputBufferRequirements(c->compiled, 0, index, &needs), "an output's needs",
                     failure) &&
           succeeded(api.CreateManagedTensorBufferFromRequirements(environment, &type, needs, &c->outputs[index]),
                     "making an output", failure);
}

static bool fill_model(struct compiled *c, const struct spec *spec, struct model *model, struct failure *failure) {
    if (!open_model(c, spec, failure)) return false;
    model->input_count = c->input_count;
    for (size_t i = 0; i < c->input_count; i++) {
        if (!bind_input(c, i, &model->inputs[i], spec->batch, failure)) return false;
    }
    for (size_t i = 0; i < c->output_count; i++) {
        if (!bind_output(c, i, failure)) return false;
    }
    return true;
}

static bool load(const struct spec *spec, struct model *model, struct failure *failure) {
    *model = (struct model){.run = run, .release = release, .delegate = "xnnpack"};
    if (!probe_version(spec->libraries, model->version, failure)) return false;
    if (!environment && !succeeded(api.CreateEnvironment(0, NULL, &environment), "starting", failure)) return false;
    struct compiled *compiled = calloc(1, sizeof *compiled);
    if (!compiled) return fail_as(failure, "memory", "no memory for a model");
    model->state = compiled;
    if (fill_model(compiled, spec, model, failure)) return true;
    release(compiled);
    return false;
}

const struct runtime tflite = {.name = "tflite", .load = load, .probe_version = probe_version};
