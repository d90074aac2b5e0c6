/*
 * The tables that xl prints, with its columns (xl_info.c, xl_vcpu.c, xl_block.c,
 * xl_nic.c), from what domains answer.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pvabi/xen_abi.h"
#include "vmm/verb_domain.h"

/* ---- list ---- */

void table_list_head(FILE *f, bool verbose)
{
	fputs("Name                                        ID   Mem VCPUs\tState\tTime(s)", f);
	if (verbose)
		fputs("   UUID                            Reason-Code\tSecurity Label", f);
	fputc('\n', f);
}

/* libxl's letters for SHUTDOWN_*; a domain that was not shut down has none. */
static char reason_letter(const json_t *info)
{
	static const char letters[] = {
		[SHUTDOWN_poweroff] = '-', [SHUTDOWN_reboot] = 'r',   [SHUTDOWN_suspend] = 's',
		[SHUTDOWN_crash] = 'c',	   [SHUTDOWN_watchdog] = 'w', [SHUTDOWN_soft_reset] = 'S',
	};
	json_int_t reason = info_int(info, "shutdown_reason");

	if (!info_bool(info, "state.shutdown"))
		return '-';
	return reason >= 0 && reason < (json_int_t)sizeof(letters) ? letters[reason] : '?';
}

void table_list_row(FILE *f, const json_t *info, bool verbose)
{
	static const struct {
		const char *key;
		char letter;
	} states[] = {
		{"state.running", 'r'},
		{"state.blocked", 'b'},
		{"state.paused", 'p'},
		{"state.shutdown", 's'},
	};

	fprintf(f, "%-40s %5lld %5lld %5lld     ", info_text(info, "name"),
		(long long)info_int(info, "domid"), (long long)info_int(info, "memory_kib") / 1024,
		(long long)info_int(info, "online_vcpus"));
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		fputc(info_bool(info, states[i].key) ? states[i].letter : '-', f);
	fprintf(f, "%c%c  %8.1f", reason_letter(info), info_bool(info, "state.dying") ? 'd' : '-',
		(double)info_int(info, "cpu_ns") / 1e9);
	if (verbose) {
		fprintf(f, " %s", info_text(info, "uuid"));
		if (info_bool(info, "state.shutdown"))
			fprintf(f, " %8llx", (long long)info_int(info, "shutdown_reason"));
		else
			fprintf(f, " %8s", "-");
		fprintf(f, " %16s", "-");
	}
	fputc('\n', f);
}

/* ---- vcpu-list ---- */

void table_vcpu_head(FILE *f)
{
	fprintf(f, "%-32s %5s %5s %5s %5s %9s %s\n", "Name", "ID", "VCPU", "CPU", "State",
		"Time(s)", "Affinity (Hard / Soft)");
}

void table_vcpu_rows(FILE *f, const json_t *info)
{
	const json_t *vcpus = json_object_get(info, "vcpus"), *v;
	size_t i;

	json_array_foreach(vcpus, i, v)
	{
		fprintf(f, "%-32s %5lld %5lld", info_text(info, "name"),
			(long long)info_int(info, "domid"), (long long)info_int(v, "id"));
		if (info_bool(v, "online"))
			fprintf(f, "%5lld %3c%c- ", (long long)info_int(v, "cpu"),
				info_bool(v, "running") ? 'r' : '-',
				info_bool(v, "blocked") ? 'b' : '-');
		else
			fprintf(f, "%5c %3c%cp ", '-', '-', '-');
		/* There is no soft affinity on Linux. */
		fprintf(f, "%9.1f  %s / all\n", (double)info_int(v, "cpu_ns") / 1e9,
			info_text(v, "affinity"));
	}
}

/* ---- block-list, network-list ---- */

/* The first of these keys that the frontend wrote, as a number; -1, as libxl has it. */
static long key_number(const json_t *device, const char *const *keys)
{
	const json_t *fe = json_object_get(device, "frontend");

	for (; *keys; keys++) {
		const char *s = json_string_value(json_object_get(fe, *keys));
		if (s)
			return strtol(s, NULL, 10);
	}
	return -1;
}

#define KEY_NUMBER(device, ...) key_number(device, (const char *const[]){__VA_ARGS__, NULL})

void table_block_head(FILE *f)
{
	fprintf(f, "%-5s %-3s %-6s %-5s %-6s %-8s %-30s\n", "Vdev", "BE", "handle", "state",
		"evt-ch", "ring-ref", "BE-path");
}

void table_block_rows(FILE *f, const json_t *info, const json_t *devices)
{
	const json_t *d;
	size_t i;

	json_array_foreach(devices, i, d)
		fprintf(f, "%-5lld %-3d %-6lld %-5lld %-6ld %-8ld %-30s\n",
			(long long)info_int(d, "id"), 0, (long long)info_int(info, "domid"),
			(long long)info_int(d, "frontend_state"), KEY_NUMBER(d, "event-channel"),
			KEY_NUMBER(d, "ring-ref", "ring-ref0"), info_text(d, "backend_path"));
}

void table_network_head(FILE *f)
{
	fprintf(f, "%-3s %-2s %-17s %-6s %-5s %-6s %5s/%-5s %-30s\n", "Idx", "BE", "Mac Addr.",
		"handle", "state", "evt-ch", "tx-", "rx-ring-ref", "BE-path");
}

void table_network_rows(FILE *f, const json_t *info, const json_t *devices)
{
	const json_t *d;
	size_t i;

	json_array_foreach(devices, i, d)
	{
		const char *mac = info_text(d, "backend.mac");

		fprintf(f, "%-3lld %-2d %s", (long long)info_int(d, "id"), 0,
			*mac ? mac : "00:00:00:00:00:00");
		fprintf(f, "%6lld %5lld %6ld %5ld/%-11ld %-30s\n", (long long)info_int(d, "id"),
			(long long)info_int(d, "frontend_state"),
			KEY_NUMBER(d, "event-channel", "event-channel-tx"),
			KEY_NUMBER(d, "tx-ring-ref"), KEY_NUMBER(d, "rx-ring-ref"),
			info_text(d, "backend_path"));
	}
}

/* ---- uptime ---- */

static void print_uptime(FILE *f, int64_t s, bool brief)
{
	long days = (long)(s / 86400), rest = (long)(s % 86400);

	if (days)
		fprintf(f, "%ld day%s, ", days, days > 1 ? "s" : "");
	fprintf(f, "%2ld:%02ld", rest / 3600, rest / 60 % 60);
	if (!brief)
		fprintf(f, ":%02ld", rest % 60);
}

void table_uptime_head(FILE *f)
{
	fprintf(f, "%-33s %4s %s\n", "Name", "ID", "Uptime");
}

void table_uptime_row(FILE *f, const json_t *info, int64_t now, bool brief)
{
	int64_t up = now - info_int(info, "started");
	time_t t = (time_t)now;
	char clock[16];
	struct tm tm;

	if (brief) {
		strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&t, &tm));
		fprintf(f, " %s up ", clock);
		print_uptime(f, up < 0 ? 0 : up, true);
		fprintf(f, ", %s (%lld)\n", info_text(info, "name"),
			(long long)info_int(info, "domid"));
		return;
	}
	fprintf(f, "%-33s %4lld ", info_text(info, "name"), (long long)info_int(info, "domid"));
	print_uptime(f, up < 0 ? 0 : up, false);
	fputc('\n', f);
}
