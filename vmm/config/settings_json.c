/*
 * A domain's configuration in the form of `xl create --dryrun` and `xl list -l`: the members
 * that libxl_domain_config_to_json() writes (tools/libs/light/libxl_types.idl).
 */
#include <stdlib.h>
#include <string.h>

#include "devices/block/disk_spec.h"
#include "vmm/config/domain_settings.h"
#include "vmm/json.h"

static void member(FILE *out, const char *name, const char *value)
{
	if (!value)
		return;
	fprintf(out, ",\n        \"%s\": ", name);
	json_put_string(out, value);
}

static void c_info(FILE *out, const struct run_options *o)
{
	fprintf(out, "    \"c_info\": {\n        \"type\": \"pv\"");
	member(out, "name", o->name);
	fprintf(out, ",\n        \"uuid\": \"");
	for (unsigned i = 0; i < sizeof(o->uuid); i++)
		fprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
			o->uuid[i]);
	fprintf(out, "\"\n    },\n");
}

static void b_info(FILE *out, const struct domain_settings *s)
{
	const struct run_options *o = &s->run;

	fprintf(out, "    \"b_info\": {\n        \"max_vcpus\": %u,\n        \"avail_vcpus\": [",
		o->max_vcpus);
	for (unsigned i = 0; i < o->nr_vcpus; i++)
		fprintf(out, "%s%u", i ? ", " : "", i);
	fprintf(out, "],\n        \"max_memkb\": %lu,\n        \"target_memkb\": %lu",
		(unsigned long)o->maxmem_mib << 10, (unsigned long)o->memory_mib << 10);
	if (o->max_evtchn_port)
		fprintf(out, ",\n        \"event_channels\": %u", o->max_evtchn_port);
	member(out, "kernel", o->kernel);
	member(out, "cmdline", *o->cmdline ? o->cmdline : NULL);
	member(out, "ramdisk", o->ramdisk);
	member(out, "bootloader", s->bootloader);
	if (s->nr_bootloader_args) {
		fprintf(out, ",\n        \"bootloader_args\": [");
		for (unsigned i = 0; i < s->nr_bootloader_args; i++) {
			fputs(i ? ", " : "", out);
			json_put_string(out, s->bootloader_arg[i]);
		}
		fputc(']', out);
	}
	fprintf(out, ",\n        \"type.pv\": {}\n    }");
}

static void disk(FILE *out, const char *spec)
{
	struct disk_spec d;
	char why[200];

	if (disk_spec_parse(&d, spec, why, sizeof(why)))
		return;
	fprintf(out, "        {\n            \"pdev_path\": ");
	json_put_string(out, d.target);
	fprintf(out, ",\n            \"vdev\": ");
	json_put_string(out, d.vdev);
	fprintf(out, ",\n            \"format\": \"%s\",\n            \"readwrite\": %d",
		disk_format_name(d.format), !d.readonly);
	if (d.cdrom)
		fprintf(out, ",\n            \"removable\": 1,\n            \"is_cdrom\": 1");
	fprintf(out, "\n        }");
	disk_spec_free(&d);
}

/* Fields KEY=VALUE, separated by commas; what has no '=' is left out. */
static void fields(FILE *out, unsigned devid, const char *spec)
{
	fprintf(out, "        {\n            \"devid\": %u", devid);
	while (*spec) {
		size_t len = strcspn(spec, ","), skip = strspn(spec, " \t");
		const char *eq = memchr(spec, '=', len);
		if (eq) {
			char *name = strndup(spec + skip, (size_t)(eq - spec) - skip);
			size_t n = len - (size_t)(eq + 1 - spec);
			while (n && (eq[n] == ' ' || eq[n] == '\t'))
				n--;
			char *value = strndup(eq + 1, n);
			if (name && value) {
				fprintf(out, ",\n            ");
				json_put_string(out, name);
				fputs(": ", out);
				json_put_string(out, value);
			}
			free(name);
			free(value);
		}
		spec += len + (spec[len] == ',');
	}
	fprintf(out, "\n        }");
}

static void number(FILE *out, const char **sep, const char *name, unsigned n)
{
	if (!n)
		return;
	fprintf(out, "%s\n            \"%s\": %u", *sep, name, n);
	*sep = ",";
}

static void flag(FILE *out, const char **sep, const char *name, bool on)
{
	if (!on)
		return;
	fprintf(out, "%s\n            \"%s\": true", *sep, name);
	*sep = ",";
}

/* A function of the host's, with libxl's names (libxl_types.idl, device_pci); what is 0 is
 * left out. */
static bool pci_function(FILE *out, const struct run_options *o, const char *text)
{
	const char *sep = "";
	struct pci_spec s;
	struct error ignored;

	if (pci_spec_parse(&s, text, &o->pci_defaults, &ignored))
		return false;
	bool is_host = s.options.has_host;
	if (is_host) {
		fprintf(out, "        {");
		number(out, &sep, "func", s.options.host.function);
		number(out, &sep, "dev", s.options.host.device);
		number(out, &sep, "bus", s.options.host.bus);
		number(out, &sep, "domain", s.options.host.domain);
		number(out, &sep, "vdevfn",
		       s.options.vslot > 0 ? (unsigned)s.options.vslot << 3 : 0);
		number(out, &sep, "vfunc_mask", s.all_functions ? ~0u : 1);
		flag(out, &sep, "msitranslate", s.options.msitranslate);
		flag(out, &sep, "power_mgmt", s.options.power_mgmt);
		flag(out, &sep, "permissive", s.options.permissive);
		flag(out, &sep, "seize", s.seize);
		fprintf(out, "\n        }");
	}
	pci_spec_free(&s);
	return is_host;
}

static void devices(FILE *out, const struct run_options *o, const char *option, const char *name)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < o->nr_devices; i++) {
		if (strcmp(o->device[i].kind->option, option))
			continue;
		if (nr)
			fprintf(out, ",\n");
		else
			fprintf(out, ",\n    \"%s\": [\n", name);
		if (!strcmp(option, "disk"))
			disk(out, o->device[i].spec);
		else if (strcmp(option, "pci") || !pci_function(out, o, o->device[i].spec))
			fields(out, nr, o->device[i].spec);
		nr++;
	}
	if (nr)
		fprintf(out, "\n    ]");
}

void domain_settings_json(FILE *out, const struct domain_settings *s)
{
	/* libxl's names: with '_', and the other way round. */
	static const char *const actions[NR_ON_ACTIONS] = {
		[ON_DESTROY] = "destroy",
		[ON_RESTART] = "restart",
		[ON_RENAME_RESTART] = "restart_rename",
		[ON_PRESERVE] = "preserve",
		[ON_COREDUMP_DESTROY] = "coredump_destroy",
		[ON_COREDUMP_RESTART] = "coredump_restart",
		[ON_SOFT_RESET] = "soft_reset",
	};
	static const struct {
		const char *name;
		unsigned code;
	} events[] = {
		{"on_poweroff", SHUTDOWN_poweroff},	{"on_reboot", SHUTDOWN_reboot},
		{"on_watchdog", SHUTDOWN_watchdog},	{"on_crash", SHUTDOWN_crash},
		{"on_soft_reset", SHUTDOWN_soft_reset},
	};

	fprintf(out, "{\n");
	c_info(out, &s->run);
	b_info(out, s);
	devices(out, &s->run, "disk", "disks");
	devices(out, &s->run, "vif", "nics");
	devices(out, &s->run, "pci", "pcidevs");
	for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		fprintf(out, ",\n    \"%s\": \"%s\"", events[i].name,
			actions[s->on[events[i].code]]);
	fprintf(out, "\n}\n");
}
