#include "vmm/control/cpu_list.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned cpu_count(void)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);

	return n < 1 ? 1 : n > CPU_SETSIZE ? CPU_SETSIZE : (unsigned)n;
}

/* "3" or "0-3". */
static const char *parse_range(const char *p, unsigned *first, unsigned *last)
{
	char *end;

	if (!isdigit((unsigned char)*p))
		return NULL;
	unsigned long a = strtoul(p, &end, 10), b = a;
	if (*end == '-') {
		p = end + 1;
		if (!isdigit((unsigned char)*p))
			return NULL;
		b = strtoul(p, &end, 10);
	}
	if (a > b || b >= CPU_SETSIZE)
		return NULL;
	*first = (unsigned)a;
	*last = (unsigned)b;
	return end;
}

/* xl: xl_parse.c, parse_range() and vcpupin_parse(); nodes are not known here. */
int cpu_list_parse(const char *text, cpu_set_t *set, struct error *err)
{
	const char *p = text;
	unsigned first, last;

	CPU_ZERO(set);
	do {
		bool not = *p == '^';

		p += not ;
		if (!strncmp(p, "all", 3)) {
			first = 0;
			last = cpu_count() - 1;
			p += 3;
		} else {
			p = parse_range(p, &first, &last);
		}
		for (unsigned i = first; p && i <= last; i++)
			if (not )
				CPU_CLR(i, set);
			else
				CPU_SET(i, set);
	} while (p && *p == ',' && *++p);
	if (!p || *p || p[-1] == ',' || !CPU_COUNT(set))
		return error_set(err, -EINVAL,
				 "'%.60s' is no list of cpus; write, for example, 0-3,^2 or all",
				 text);
	return 0;
}

/* xl: xl_utils.c, print_bitmap(): all of them are "all". */
void cpu_list_print(const cpu_set_t *set, unsigned nr_cpus, char *text, size_t size)
{
	size_t used = 0;
	const char *sep = "";

	text[0] = '\0';
	for (unsigned i = 0; i < nr_cpus && used < size; i++) {
		unsigned last = i;

		if (!CPU_ISSET(i, set))
			continue;
		while (last + 1 < nr_cpus && CPU_ISSET(last + 1, set))
			last++;
		if (i == 0 && last == nr_cpus - 1)
			used += (size_t)snprintf(text, size, "all");
		else if (last > i)
			used += (size_t)snprintf(text + used, size - used, "%s%u-%u", sep, i, last);
		else
			used += (size_t)snprintf(text + used, size - used, "%s%u", sep, i);
		sep = ",";
		i = last;
	}
	if (!text[0])
		snprintf(text, size, "none");
}
