#include "energy.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "files.h"
#include "sensors.h"

/* Whether a zone is part of no other: `intel-rapl:0`, but not `intel-rapl:0:1` or `intel-rapl`. */
static bool is_outer(const char *name) {
    const char *colon = strchr(name, ':');
    return colon && !strchr(colon + 1, ':') && strlen(name) < 64;
}

void read_energy(struct energy *energy) {
    char folder[256];
    energy->count = 0;
    snprintf(folder, sizeof folder, "%s/class/powercap", sysfs());
    DIR *zones = opendir(folder);
    for (struct dirent *entry; zones && energy->count < MAX_ENERGY_ZONES && (entry = readdir(zones));) {
        int64_t value;
        char title[64];
        /* A second interface to the same package, and a zone of the whole machine, would count energy twice. */
        if (strncmp(entry->d_name, "intel-rapl-mmio", 15) == 0) continue;
        if (read_file(title, sizeof title, "%s/%s/name", folder, entry->d_name) && strncmp(title, "psys", 4) == 0) continue;
        if (!is_outer(entry->d_name) || !read_integer(&value, "%s/%s/energy_uj", folder, entry->d_name)) continue;
        snprintf(energy->zones[energy->count].name, 64, "%.63s", entry->d_name);
        energy->zones[energy->count++].microjoules = value;
    }
    if (zones) closedir(zones);
}

void write_energy(struct json_writer *out, const struct energy *before, const struct energy *after) {
    writer_add(out, "{");
    for (size_t i = 0; i < before->count && i < after->count; i++) {
        int64_t used = after->zones[i].microjoules - before->zones[i].microjoules;
        if (strcmp(before->zones[i].name, after->zones[i].name) != 0 || used < 0) continue;
        writer_comma(out);
        writer_string(out, before->zones[i].name);
        writer_add(out, ":%" PRId64, used);
    }
    writer_add(out, "}");
}
