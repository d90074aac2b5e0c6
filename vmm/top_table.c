#include "vmm/top_table.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/control/cpu_list.h"

#define CELL 64

struct row {
	const json_t *now, *before;
	double seconds; /* between the two; 0: there is no `before` */
};

/* ---- sums over devices ---- */

static const json_t *devices(const json_t *info, const char *plural)
{
	return json_object_get(json_object_get(info, "devices"), plural);
}

static json_int_t sum(const json_t *info, const char *plural, const char *key)
{
	json_t *all = (json_t *)devices(info, plural), *d;
	const char *name;
	json_int_t n = 0;

	json_object_foreach(all, name, d) n += info_int(d, key);
	return n;
}

/* ---- cells ---- */

static void cell_name(char *out, const struct row *r)
{
	snprintf(out, CELL, "%.10s", info_text(r->now, "name"));
}

/* xentop's order of the letters. */
static void cell_state(char *out, const struct row *r)
{
	static const char keys[][16] = {"state.dying",	 "state.shutdown", "state.blocked",
					"state.crashed", "state.paused",   "state.running"};

	for (size_t i = 0; i < 6; i++)
		*out++ = info_bool(r->now, keys[i]) ? keys[i][6] : '-';
	*out = '\0';
}

static void cell_cpu(char *out, const struct row *r)
{
	snprintf(out, CELL, "%lld", (long long)info_int(r->now, "cpu_ns") / 1000000000);
}

static double rate(const struct row *r, const char *key)
{
	json_int_t n = info_int(r->now, key) - info_int(r->before, key);

	return r->seconds > 0 && n > 0 ? (double)n / r->seconds : 0;
}

static void cell_cpu_percent(char *out, const struct row *r)
{
	snprintf(out, CELL, "%.1f", rate(r, "cpu_ns") / 1e7);
}

static void cell_exits(char *out, const struct row *r)
{
	snprintf(out, CELL, "%.0f", rate(r, "exits"));
}

static double host_kib(void)
{
	return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void cell_mem(char *out, const struct row *r)
{
	snprintf(out, CELL, "%lld", (long long)info_int(r->now, "memory_kib"));
}

static void cell_mem_percent(char *out, const struct row *r)
{
	snprintf(out, CELL, "%.1f", 100 * (double)info_int(r->now, "memory_kib") / host_kib());
}

static void cell_max(char *out, const struct row *r)
{
	snprintf(out, CELL, "%lld", (long long)info_int(r->now, "max_kib"));
}

static void cell_max_percent(char *out, const struct row *r)
{
	snprintf(out, CELL, "%.1f", 100 * (double)info_int(r->now, "max_kib") / host_kib());
}

static void cell_vcpus(char *out, const struct row *r)
{
	snprintf(out, CELL, "%lld", (long long)info_int(r->now, "online_vcpus"));
}

static void cell_nets(char *out, const struct row *r)
{
	snprintf(out, CELL, "%zu", json_object_size(devices(r->now, "vifs")));
}

/* As the guest sees it, who sends what xentop calls NETTX. */
static void cell_tx(char *out, const struct row *r)
{
	snprintf(out, CELL, "%lld", (long long)sum(r->now, "vifs", "tx_bytes") / 1024);
}

static void cell_rx(char *out, const struct row *r)
{
	snprintf(out, CELL, "%lld", (long long)sum(r->now, "vifs", "rx_bytes") / 1024);
}

static void cell_vbds(char *out, const struct row *r)
{
	snprintf(out, CELL, "%zu", json_object_size(devices(r->now, "disks")));
}

static void cell_reads(char *out, const struct row *r)
{
	snprintf(out, CELL, "%lld", (long long)sum(r->now, "disks", "reads"));
}

static void cell_writes(char *out, const struct row *r)
{
	snprintf(out, CELL, "%lld", (long long)sum(r->now, "disks", "writes"));
}

static void cell_read_sectors(char *out, const struct row *r)
{
	snprintf(out, CELL, "%lld", (long long)sum(r->now, "disks", "read_bytes") / 512);
}

static void cell_written_sectors(char *out, const struct row *r)
{
	snprintf(out, CELL, "%lld", (long long)sum(r->now, "disks", "written_bytes") / 512);
}

enum column_id {
	COL_NAME,
	COL_STATE,
	COL_CPU,
	COL_CPU_PERCENT,
	COL_MEM,
	COL_MEM_PERCENT,
	COL_MAX,
	COL_MAX_PERCENT,
	COL_VCPUS,
	COL_NETS,
	COL_TX,
	COL_RX,
	COL_VBDS,
	COL_READS,
	COL_WRITES,
	COL_READ_SECTORS,
	COL_WRITTEN_SECTORS,
	COL_EXITS,
	NR_COLUMNS
};

static const struct column {
	const char *head;
	int width;
	void (*cell)(char *out, const struct row *r);
} columns[NR_COLUMNS] = {
	[COL_NAME] = {"NAME", 10, cell_name},
	[COL_STATE] = {"STATE", 6, cell_state},
	[COL_CPU] = {"CPU(sec)", 10, cell_cpu},
	[COL_CPU_PERCENT] = {"CPU(%)", 6, cell_cpu_percent},
	[COL_MEM] = {"MEM(k)", 10, cell_mem},
	[COL_MEM_PERCENT] = {"MEM(%)", 6, cell_mem_percent},
	[COL_MAX] = {"MAXMEM(k)", 10, cell_max},
	[COL_MAX_PERCENT] = {"MAXMEM(%)", 9, cell_max_percent},
	[COL_VCPUS] = {"VCPUS", 5, cell_vcpus},
	[COL_NETS] = {"NETS", 4, cell_nets},
	[COL_TX] = {"NETTX(k)", 8, cell_tx},
	[COL_RX] = {"NETRX(k)", 8, cell_rx},
	[COL_VBDS] = {"VBDS", 4, cell_vbds},
	[COL_READS] = {"VBD_RD", 8, cell_reads},
	[COL_WRITES] = {"VBD_WR", 8, cell_writes},
	[COL_READ_SECTORS] = {"VBD_RSECT", 10, cell_read_sectors},
	[COL_WRITTEN_SECTORS] = {"VBD_WSECT", 10, cell_written_sectors},
	[COL_EXITS] = {"EXITS/s", 8, cell_exits},
};

/* The first nine are 80 columns wide. */
static const enum column_id live[] = {
	COL_NAME, COL_STATE,	    COL_CPU_PERCENT,	 COL_EXITS, COL_MEM,	     COL_TX,
	COL_RX,	  COL_READS,	    COL_WRITES,		 COL_VCPUS, COL_CPU,	     COL_VBDS,
	COL_NETS, COL_READ_SECTORS, COL_WRITTEN_SECTORS, COL_MAX,   COL_MEM_PERCENT,
};

/* ---- lines ---- */

#define LINE 400

static void put_line(FILE *f, const char *line, unsigned width)
{
	fprintf(f, "%.*s\n", width && width < LINE ? (int)width : LINE, line);
}

static size_t add(char *line, size_t used, int width, const char *cell)
{
	int n = snprintf(line + used, LINE - used, "%s%*s", used ? " " : "", width, cell);

	return used + (size_t)n < LINE ? used + (size_t)n : LINE - 1;
}

static void put_cells(FILE *f, enum top_layout layout, unsigned width, const struct row *r)
{
	size_t nr = layout == TOP_LIVE ? sizeof(live) / sizeof(live[0]) : NR_COLUMNS, used = 0;
	char line[LINE] = "", cell[CELL];

	for (size_t i = 0; i < nr; i++) {
		const struct column *c = &columns[layout == TOP_LIVE ? live[i] : i];

		if (r)
			c->cell(cell, r);
		used = add(line, used, c->width, r ? cell : c->head);
	}
	put_line(f, line, width);
}

void top_head(FILE *f, enum top_layout layout, unsigned width)
{
	put_cells(f, layout, width, NULL);
}

void top_row(FILE *f, enum top_layout layout, unsigned width, const json_t *info,
	     const json_t *before)
{
	struct row r = {.now = info, .before = before};

	if (before)
		r.seconds = (double)(info_int(info, "now") - info_int(before, "now")) / 1e9;
	put_cells(f, layout, width, &r);
}

void top_summary(FILE *f, unsigned width, const struct link_list *l, int64_t now)
{
	unsigned running = 0, blocked = 0, paused = 0, other = 0;
	char line[LINE], clock[16];
	time_t t = (time_t)now;
	struct tm tm;
	double used = 0;

	for (unsigned i = 0; i < l->nr; i++) {
		const json_t *info = l->link[i].info;

		used += (double)info_int(info, "memory_kib");
		if (info_bool(info, "state.paused"))
			paused++;
		else if (info_bool(info, "state.running"))
			running++;
		else if (info_bool(info, "state.blocked"))
			blocked++;
		else
			other++;
	}
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&t, &tm));
	snprintf(line, sizeof(line),
		 "xenolith - %s   %u domains: %u running, %u blocked, %u paused, %u other", clock,
		 l->nr, running, blocked, paused, other);
	put_line(f, line, width);
	snprintf(line, sizeof(line), "Mem: %.0fk total, %.0fk of domains    CPUs: %u", host_kib(),
		 used, cpu_count());
	put_line(f, line, width);
}
