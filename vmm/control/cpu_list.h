/*
 * Lists of the host's processors as xl writes and reads them: "0-3,^2", "all".
 */
#ifndef VMM_CONTROL_CPU_LIST_H
#define VMM_CONTROL_CPU_LIST_H

#include <sched.h>
#include <stddef.h>

#include "vmm/error.h"

#define CPU_LIST_TEXT 512

/* 0, or -EINVAL with a sentence. */
int cpu_list_parse(const char *text, cpu_set_t *set, struct error *err);
/* Of a host with nr_cpus processors. */
void cpu_list_print(const cpu_set_t *set, unsigned nr_cpus, char *text, size_t size);
/* That the host can have. */
unsigned cpu_count(void);

#endif
