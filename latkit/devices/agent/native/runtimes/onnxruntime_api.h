/* The part of onnxruntime's C API that is needed here.
 *
 * The API is a table of functions that only grows at its end, so that the position of a function is the same in every
 * version from API_VERSION on. The functions in between are left unnamed. Every function that returns a status
 * returns NULL on success. */
#ifndef LATKIT_ONNXRUNTIME_API_H
#define LATKIT_ONNXRUNTIME_API_H

#include <stddef.h>
#include <stdint.h>

enum { API_VERSION = 17 };
enum { LOG_ERRORS = 3, SEQUENTIAL = 0, ARENA_ALLOCATOR = 1, DEFAULT_MEMORY = 0 };

typedef void Status;
typedef void Handle; /* of whatever the library owns */
typedef void (*Nameless)(void);

struct api {
    Nameless from_0[2];
    const char *(*GetErrorMessage)(const Status *);
    Status *(*CreateEnv)(int severity, const char *name, Handle **env);
    Nameless from_4[2];
    Status *(*DisableTelemetryEvents)(const Handle *env);
    Status *(*CreateSession)(const Handle *env, const char *path, const Handle *options, Handle **session);
    Nameless from_8[1];
    Status *(*Run)(Handle *session, const Handle *options, const char *const *input_names, Handle *const *inputs,
                   size_t input_count, const char *const *output_names, size_t output_count, Handle **outputs);
    Status *(*CreateSessionOptions)(Handle **options);
    Nameless from_11[2];
    Status *(*SetSessionExecutionMode)(Handle *options, int mode);
    Status *(*EnableProfiling)(Handle *options, const char *prefix);
    Nameless from_15[7];
    Status *(*SetSessionLogSeverityLevel)(Handle *options, int severity);
    Nameless from_23[1];
    Status *(*SetIntraOpNumThreads)(Handle *options, int threads);
    Status *(*SetInterOpNumThreads)(Handle *options, int threads);
    Nameless from_26[4];
    Status *(*SessionGetInputCount)(const Handle *session, size_t *count);
    Status *(*SessionGetOutputCount)(const Handle *session, size_t *count);
    Nameless from_32[1];
    Status *(*SessionGetInputTypeInfo)(const Handle *session, size_t index, Handle **type);
    Nameless from_34[2];
    Status *(*SessionGetInputName)(const Handle *session, size_t index, Handle *allocator, char **name);
    Status *(*SessionGetOutputName)(const Handle *session, size_t index, Handle *allocator, char **name);
    Nameless from_38[11];
    Status *(*CreateTensorWithDataAsOrtValue)(const Handle *memory, void *data, size_t bytes, const int64_t *shape,
                                              size_t rank, int element_type, Handle **value);
    Nameless from_50[5];
    Status *(*CastTypeInfoToTensorInfo)(const Handle *type, const Handle **tensor);
    Nameless from_56[4];
    Status *(*GetTensorElementType)(const Handle *tensor, int *element_type);
    Status *(*GetDimensionsCount)(const Handle *tensor, size_t *rank);
    Status *(*GetDimensions)(const Handle *tensor, int64_t *shape, size_t rank);
    Nameless from_63[6];
    Status *(*CreateCpuMemoryInfo)(int allocator_type, int memory_type, Handle **memory);
    Nameless from_70[6];
    Status *(*AllocatorFree)(Handle *allocator, void *allocated);
    Nameless from_77[1];
    Status *(*GetAllocatorWithDefaultOptions)(Handle **allocator);
    Nameless from_79[14];
    void (*ReleaseStatus)(Status *);
    Nameless from_94[1];
    void (*ReleaseSession)(Handle *);
    void (*ReleaseValue)(Handle *);
    Nameless from_97[1];
    void (*ReleaseTypeInfo)(Handle *);
    Nameless from_99[1];
    void (*ReleaseSessionOptions)(Handle *);
    Nameless from_101[9];
    Status *(*SessionEndProfiling)(Handle *session, Handle *allocator, char **path);
    Nameless from_111[22];
    Status *(*RunWithBinding)(Handle *session, const Handle *options, const Handle *binding);
    Status *(*CreateIoBinding)(Handle *session, Handle **binding);
    void (*ReleaseIoBinding)(Handle *);
    Status *(*BindInput)(Handle *binding, const char *name, const Handle *value);
    Status *(*BindOutput)(Handle *binding, const char *name, const Handle *value);
};

#define STANDS_AT(name, place)                                                                                         \
    _Static_assert(offsetof(struct api, name) == (place) * sizeof(Nameless), #name " has its place in the table")
STANDS_AT(Run, 9);
STANDS_AT(EnableProfiling, 14);
STANDS_AT(SetInterOpNumThreads, 25);
STANDS_AT(SessionGetOutputName, 37);
STANDS_AT(CreateTensorWithDataAsOrtValue, 49);
STANDS_AT(GetDimensions, 62);
STANDS_AT(GetAllocatorWithDefaultOptions, 78);
STANDS_AT(ReleaseStatus, 93);
STANDS_AT(ReleaseSessionOptions, 100);
STANDS_AT(SessionEndProfiling, 110);
STANDS_AT(RunWithBinding, 133);
STANDS_AT(BindOutput, 137);

struct api_base {
    const struct api *(*GetApi)(uint32_t version);
    const char *(*GetVersionString)(void);
};

#endif
