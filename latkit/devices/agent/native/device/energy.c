#include "device/energy.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/files.h"
#include "device/sensors.h"

enum { MAX_TITLE = 64, MICROJOULES_PER_MICROWATTHOUR = 3600 };

/* Where counters are added, with the titles of the zones that they belong to. */
struct reading {
    struct energy *energy;
    char titles[MAX_COUNTERS][MAX_TITLE];
};

static bool add_counter(struct energy *energy, int64_t microjoules, const char *one, const char *two) {
    if (energy->count == MAX_COUNTERS) return false;
    struct energy_counter *counter = &energy->counters[energy->count++];
    snprintf(counter->name, sizeof counter->name, "%s%s%s", one, *two ? " " : "", two);
    counter->microjoules = microjoules;
    return true;
}

/* Whether a zone is part of no other: `intel-rapl:0`, but not `intel-rapl:0:1` or `intel-rapl`. */
static bool is_outer(const char *name) {
    const char *colon = strchr(name, ':');
    return colon && !strchr(colon + 1, ':');
}

/* A zone. One of the whole machine contains the others, and a package that two interfaces report is counted once. */
static void read_zone(const char *folder, const char *name, struct reading *reading) {
    int64_t value;
    char title[MAX_TITLE];
    if (!is_outer(name) || !read_integer(&value, "%s/%s/energy_uj", folder, name)) return;
    if (!read_file(title, sizeof title, "%s/%s/name", folder, name)) snprintf(title, sizeof title, "%s", name);
    if (strcmp(title, "psys") == 0) return;
    for (size_t i = 0; i < reading->energy->count; i++) {
        if (strcmp(reading->titles[i], title) == 0) return;
    }
    if (add_counter(reading->energy, value, name, "")) strcpy(reading->titles[reading->energy->count - 1], title);
}

static bool is_counter(const char *name) {
    size_t length = strlen(name), suffix = strlen("_input");
    return strncmp(name, "energy", 6) == 0 && length > suffix && strcmp(name + length - suffix, "_input") == 0;
}

/* The energy counters of a hardware monitor. */
static void read_monitor(const char *folder, const char *name, struct reading *reading) {
    char path[512], title[MAX_TITLE], label[MAX_TITLE];
    struct dirent **files;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!read_file(title, sizeof title, "%s/name", path)) snprintf(title, sizeof title, "%s", name);
    int count = scandir(path, &files, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *file = files[i]->d_name;
        int64_t value;
        if (is_counter(file) && read_integer(&value, "%s/%s", path, file)) {
            int stem = (int)(strlen(file) - strlen("_input"));
            if (!read_file(label, sizeof label, "%s/%.*s_label", path, stem, file)) {
                snprintf(label, sizeof label, "%.*s", stem, file);
            }
            add_counter(reading->energy, value, title, label);
        }
        free(files[i]);
    }
    if (count >= 0) free(files);
}

/* What a discharging battery has given since it was full: by its energy, or by charge and voltage. */
static void read_battery(const char *folder, const char *name, struct reading *reading) {
    char text[MAX_TITLE];
    int64_t left, charge, voltage;
    if (!read_file(text, sizeof text, "%s/%s/type", folder, name) || strcmp(text, "Battery") != 0) return;
    if (!read_file(text, sizeof text, "%s/%s/status", folder, name) || strcmp(text, "Discharging") != 0) return;
    if (!read_integer(&left, "%s/%s/energy_now", folder, name)) {
        if (!read_integer(&charge, "%s/%s/charge_counter", folder, name)) return;
        if (!read_integer(&voltage, "%s/%s/voltage_now", folder, name)) return;
        left = (int64_t)((double)charge * (double)voltage / 1e6);
    }
    add_counter(reading->energy, -left * MICROJOULES_PER_MICROWATTHOUR, "battery", name);
}

static void read_class(const char *kind, struct energy *energy,
                       void (*read_entry)(const char *folder, const char *name, struct reading *reading)) {
    char folder[256];
    struct dirent **entries;
    struct reading reading = {.energy = energy};
    snprintf(folder, sizeof folder, "%s/class/%s", sysfs(), kind);
    int count = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') read_entry(folder, entries[i]->d_name, &reading);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
}

void read_energy(struct energy *energy) {
    energy->count = 0;
    read_class("powercap", energy, read_zone);
    if (!energy->count) read_class("hwmon", energy, read_monitor);
    if (!energy->count) read_class("power_supply", energy, read_battery);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void meter_begin(struct energy_meter *meter) {
    memset(meter, 0, sizeof *meter);
    read_energy(&meter->last);
    meter->read_ns = now_ns();
}

static const struct energy_counter *find_counter(const struct energy *energy, const char *name) {
    for (size_t i = 0; i < energy->count; i++) {
        if (strcmp(energy->counters[i].name, name) == 0) return &energy->counters[i];
    }
    return NULL;
}

/* The movement from one reading to the next. A counter that began anew goes on from its range; false without one. */
static bool find_movement(const struct energy_counter *last, const struct energy_counter *now, int64_t *movement) {
    int64_t range;
    if (!now) return false;
    *movement = now->microjoules - last->microjoules;
    if (*movement >= 0) return true;
    if (!read_integer(&range, "%s/class/powercap/%s/max_energy_range_uj", sysfs(), last->name)) return false;
    *movement += range;
    return *movement >= 0;
}

void meter_read(struct energy_meter *meter, int64_t pause_ns) {
    struct energy now;
    if (!meter->last.count || now_ns() - meter->read_ns < pause_ns) return;
    read_energy(&now);
    meter->read_ns = now_ns();
    for (size_t i = 0; i < meter->last.count; i++) {
        struct energy_counter *last = &meter->last.counters[i];
        int64_t movement;
        if (meter->moved[i].is_gone) continue;
        const struct energy_counter *found = find_counter(&now, last->name);
        if (!find_movement(last, found, &movement)) {
            meter->moved[i].is_gone = true;
            continue;
        }
        last->microjoules = found->microjoules;
        if (!movement) continue;
        if (!meter->moved[i].count++ || movement < meter->moved[i].smallest) meter->moved[i].smallest = movement;
        meter->moved[i].used += movement;
    }
}

void write_meter(struct json_writer *out, const struct energy_meter *meter) {
    writer_name(out, "energy_uj");
    writer_add(out, "{");
    for (size_t i = 0; i < meter->last.count; i++) {
        if (meter->moved[i].is_gone) continue;
        writer_comma(out);
        writer_string(out, meter->last.counters[i].name);
        writer_add(out, ":%" PRId64, meter->moved[i].used);
    }
    writer_add(out, "}");
    writer_name(out, "energy_steps");
    writer_add(out, "{");
    for (size_t i = 0; i < meter->last.count; i++) {
        if (meter->moved[i].is_gone) continue;
        writer_comma(out);
        writer_string(out, meter->last.counters[i].name);
        writer_add(out, ":[%" PRId64 ",%" PRId64 "]", meter->moved[i].count, meter->moved[i].smallest);
    }
    writer_add(out, "}");
}
