#define _XOPEN_SOURCE 700 /* nftw */
#include "models/bindings.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/models.h"

static const char MODEL_NAME[] = "latkit-model.onnx";

/* A string of a request without zero characters, shorter than `size`. */
static bool copy_text(const struct json *field, char *into, size_t size) {
    if (!field || field->kind != JSON_STRING || field->length >= size || memchr(field->text, 0, field->length)) {
        return false;
    }
    memcpy(into, field->text, field->length);
    into[field->length] = 0;
    return true;
}

static bool is_count(const struct json *field, int64_t most) {
    return field && field->kind == JSON_NUMBER && field->is_integer && field->integer >= 0 && field->integer <= most;
}

static bool read_shape(const struct json *field, struct input *input) {
    input->rank = 0;
    if (!field || field->kind != JSON_ARRAY) return false;
    for (const struct json *size = field->first; size; size = size->next) {
        if (input->rank == MAX_RANK || !is_count(size, (int64_t)1 << 40)) return false;
        input->shape[input->rank++] = size->integer;
    }
    return true;
}

static bool read_entry(const struct json *entry, int64_t file_bytes, struct bindings *bindings,
                       struct failure *failure) {
    struct input *input = &bindings->entries[bindings->count].input;
    const struct json *offset = json_member(entry, "offset");
    char dtype[16];
    if (!copy_text(json_member(entry, "name"), input->name, sizeof input->name) ||
        !copy_text(json_member(entry, "dtype"), dtype, sizeof dtype) || !find_dtype(dtype, &input->dtype) ||
        !read_shape(json_member(entry, "shape"), input) || !is_count(offset, file_bytes)) {
        return fail_as(failure, "bad-request", "expected an input with name, dtype, shape and offset");
    }
    size_t bytes;
    if (!count_bytes(input, &bytes) || bytes > (size_t)(file_bytes - offset->integer)) {
        return fail_as(failure, "bad-request", "expected the values of %s within their file", input->name);
    }
    bindings->entries[bindings->count++].offset = offset->integer;
    return true;
}

bool read_bindings(const struct json *field, const char *folder, struct bindings *bindings, struct failure *failure) {
    const struct json *inputs = json_member(field, "inputs");
    char sha256[SHA256_HEX + 1];
    struct stat found;
    bindings->count = 0;
    if (!copy_text(json_member(field, "sha256"), sha256, sizeof sha256) || !is_sha256(sha256) || !inputs ||
        inputs->kind != JSON_ARRAY) {
        return fail_as(failure, "bad-request", "expected bindings with sha256 and inputs");
    }
    if (!models_verify(folder, sha256, bindings->path, sizeof bindings->path, failure)) return false;
    if (stat(bindings->path, &found) != 0) return fail_as(failure, "failed", "the values cannot be read");
    for (const struct json *entry = inputs->first; entry; entry = entry->next) {
        if (bindings->count == MAX_INPUTS) return fail_as(failure, "bad-request", "more than %d inputs", MAX_INPUTS);
        if (!read_entry(entry, (int64_t)found.st_size, bindings, failure)) return false;
    }
    return true;
}

static size_t find_entry(const struct bindings *bindings, const char *name) {
    size_t i = 0;
    while (i < bindings->count && strcmp(bindings->entries[i].input.name, name) != 0) i++;
    return i;
}

bool bound_input(const struct bindings *bindings, const char *name, struct input *input, struct failure *failure) {
    size_t i = find_entry(bindings, name);
    if (i == bindings->count) return fail_as(failure, "bad-request", "expected values of the input %s", name);
    if (bindings->entries[i].input.dtype != input->dtype) {
        return fail_as(failure, "bad-request", "expected %s as %s, but found %s", name, dtype_name(input->dtype),
                       dtype_name(bindings->entries[i].input.dtype));
    }
    *input = bindings->entries[i].input;
    return true;
}

bool read_bound(const struct bindings *bindings, const char *name, void *values, struct failure *failure) {
    size_t i = find_entry(bindings, name), bytes = 0;
    if (i == bindings->count) return fail_as(failure, "bad-request", "expected values of the input %s", name);
    count_bytes(&bindings->entries[i].input, &bytes);
    int file = open(bindings->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return fail_as(failure, "failed", "the values cannot be read");
    size_t read_bytes = 0;
    while (read_bytes < bytes) {
        ssize_t got = pread(file, (char *)values + read_bytes, bytes - read_bytes,
                            (off_t)(bindings->entries[i].offset + (int64_t)read_bytes));
        if (got <= 0) break;
        read_bytes += (size_t)got;
    }
    close(file);
    return read_bytes == bytes || fail_as(failure, "failed", "the values of %s cannot be read", name);
}

/* Whether a location stays within the folder: a relative path without `..`. */
static bool is_inside(const char *location) {
    if (!*location || *location == '/') return false;
    for (const char *part = location; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        size_t length = strcspn(part, "/");
        if (length == 0 || (length == 1 && *part == '.') || (length == 2 && strncmp(part, "..", 2) == 0)) return false;
    }
    return true;
}

static bool copy_file(const char *source, const char *place) {
    char chunk[1 << 14];
    int from = open(source, O_RDONLY | O_CLOEXEC);
    int to = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t got = 0;
    while (from >= 0 && to >= 0 && (got = read(from, chunk, sizeof chunk)) > 0) {
        if (write(to, chunk, (size_t)got) != got) got = -1;
        if (got < 0) break;
    }
    bool done = from >= 0 && to >= 0 && got == 0;
    if (from >= 0) close(from);
    if (to >= 0) close(to);
    return done;
}

/* The same file under another name; a copy where the file system has no links. */
static bool link_file(const char *source, const char *folder, const char *location, struct failure *failure) {
    char place[1024];
    int length = snprintf(place, sizeof place, "%s/%s", folder, location);
    if (length < 0 || (size_t)length >= sizeof place) return fail_as(failure, "bad-request", "a location is too long");
    char *end = strrchr(place, '/');
    *end = 0;
    bool made = models_make_folder(place);
    *end = '/';
    return (made && (link(source, place) == 0 || copy_file(source, place))) ||
           fail_as(failure, "failed", "no room for a model's external data");
}

static bool link_entry(const struct json *entry, const char *models, const char *folder, struct failure *failure) {
    char location[512], sha256[SHA256_HEX + 1], source[1024];
    if (!copy_text(json_member(entry, "location"), location, sizeof location) || !is_inside(location) ||
        !copy_text(json_member(entry, "sha256"), sha256, sizeof sha256) || !is_sha256(sha256)) {
        return fail_as(failure, "bad-request", "expected external data with a location within the folder, and sha256");
    }
    return models_verify(models, sha256, source, sizeof source, failure) &&
           link_file(source, folder, location, failure);
}

bool link_external(const struct json *field, const char *models, const char *sha256, char path[1024],
                   char folder[1024], struct failure *failure) {
    size_t count = 0;
    int length = snprintf(folder, 1024, "%s/%s.%ld", models, sha256, (long)getpid());
    if (length < 0 || length >= 900) return fail_as(failure, "failed", "the folder's name is too long");
    if (field->kind != JSON_ARRAY) return fail_as(failure, "bad-request", "expected external as a list");
    remove_links(folder);
    for (const struct json *entry = field->first; entry; entry = entry->next) {
        if (++count > MAX_EXTERNAL) return fail_as(failure, "bad-request", "more than %d external files", MAX_EXTERNAL);
        if (!link_entry(entry, models, folder, failure)) return false;
    }
    if (!link_file(path, folder, MODEL_NAME, failure)) return false;
    return snprintf(path, 1024, "%.900s/%s", folder, MODEL_NAME) > 0;
}

static int remove_entry(const char *path, const struct stat *found, int kind, struct FTW *where) {
    (void)found, (void)kind, (void)where;
    return remove(path);
}

void remove_links(const char *folder) {
    if (*folder) nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
