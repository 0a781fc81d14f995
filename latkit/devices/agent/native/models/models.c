#include "models/models.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool models_make_folder(const char *folder) {
    char path[1024];
    size_t length = strlen(folder);
    if (length == 0 || length >= sizeof path) return false;
    memcpy(path, folder, length + 1);
    for (char *end = path + 1; *end; end++) {
        if (*end != '/') continue;
        *end = 0;
        mkdir(path, 0777); /* failures show at the end */
        *end = '/';
    }
    return mkdir(path, 0777) == 0 || errno == EEXIST;
}

bool is_sha256(const char *name) {
    return strlen(name) == SHA256_HEX && strspn(name, "0123456789abcdef") == SHA256_HEX;
}

static int only_models(const struct dirent *entry) { return is_sha256(entry->d_name); }

void write_models(struct json_writer *out, const char *folder) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, only_models, alphasort);
    writer_add(out, "[");
    for (int i = 0; i < count; i++) {
        writer_comma(out);
        writer_string(out, entries[i]->d_name);
        free(entries[i]);
    }
    writer_add(out, "]");
    free(entries);
}

/* A regular file of the folder itself, or NULL. */
static FILE *open_model(const char *path) {
    struct stat kind;
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file >= 0 && fstat(file, &kind) == 0 && S_ISREG(kind.st_mode)) return fdopen(file, "rb");
    if (file >= 0) close(file);
    return NULL;
}

bool models_verify(const char *folder, const char *sha256, char *path, size_t size, struct failure *failure) {
    char found[SHA256_HEX + 1];
    int length = snprintf(path, size, "%s/%s", folder, sha256);
    FILE *file = length > 0 && (size_t)length < size ? open_model(path) : NULL;
    if (!file) return fail_as(failure, "missing-file", "no model %s is on the device", sha256);
    bool read = sha256_file(file, found);
    fclose(file);
    if (!read) return fail_as(failure, "failed", "the file of model %s cannot be read", sha256);
    if (strcmp(found, sha256) == 0) return true;
    unlink(path);
    return fail_as(failure, "hash-mismatch", "the file of model %s holds something else; it was removed", sha256);
}
