/* Sensors: frequencies, governor and temperatures, as the kernel tells them under /sys. */
#ifndef LATKIT_SENSORS_H
#define LATKIT_SENSORS_H

#include "text.h"

/* Where /sys is; LATKIT_SYSFS names another place for tests. */
const char *sysfs(void);

/* Members of an object, where the device tells them. `info`: the text of /proc/cpuinfo. */
void add_frequencies(struct text *out, int cores, const char *info);
void add_thermal_zones(struct text *out);
void add_governor(struct text *out);

#endif
