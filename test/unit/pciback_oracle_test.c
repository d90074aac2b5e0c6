/*
 * Our PCI backend judged by Linux's xen-pciback on real Xen: the same questions
 * (guests/programs/pci_probe/probe.h) about models of the same cards must get the answers that
 * `make oracle-pci` recorded in test/oracle/pci, but for the differences that are listed there
 * with their reasons.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/pci/pciback_internal.h"
#include "devices/xenstore/local.h"
#include "devices/xenstore/xenstore.h"
#include "test/unit/test_evtchn.h"
#include "test/unit/test_pcifront.h"
#include "test/unit/test_run.h"

#define FOLDER	   "test/oracle/pci/"
#define NR_CARDS   3
#define FIRST_LINE 20 /* of the real machine's cards: 16 to 19 are taken */

static struct pcifront *f;
static struct soft_function *card[NR_CARDS];
static FILE *out;
static char out_path[] = "/tmp/pci-probe.XXXXXX";

/* ---- what probe.h wants ---- */

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fputc('\n', out);
}

static int pci_op(struct xen_pci_op *op)
{
	f->page->op = *op;
	__atomic_fetch_or(&f->page->flags, XEN_PCIF_active, __ATOMIC_SEQ_CST);
	pciback_serve(f->pciback); /* thousands of them: not by way of the event loop */
	ck_assert(!(f->page->flags & XEN_PCIF_active));
	*op = f->page->op;
	return op->err;
}

static const char *pci_key(const char *key)
{
	static char value[1024];
	char path[200];

	snprintf(path, sizeof(path), PF_BE "/%s", key);
	char *v = xenstore_read(f->xs, path);
	if (!v)
		return NULL;
	snprintf(value, sizeof(value), "%s", v);
	free(v);
	return value;
}

static long probe_bind(unsigned pirq)
{
	struct evtchn_bind_pirq b = {.pirq = pirq};
	long rc = EVTCHN_OP(f->t, 0, EVTCHNOP_bind_pirq, &b);

	if (!rc)
		close_port(f->t, b.port);
	return rc;
}

#include "guests/programs/pci_probe/probe.h"

/* ---- the cards ---- */

static void set_bytes(uint8_t *to, const char *text)
{
	unsigned offset, byte;
	int n;

	ck_assert_int_eq(sscanf(text, "%x %n", &offset, &n), 1);
	for (text += n; sscanf(text, "%2x", &byte) == 1; text += 2)
		to[offset++] = (uint8_t)byte;
}

/* Linux: IORESOURCE_IO, _MEM, _PREFETCH, _MEM_64. */
static void set_bar(struct pci_bar *b, const char *text)
{
	unsigned long start, end, flags;

	ck_assert_int_eq(sscanf(text, "%lx %lx %lx", &start, &end, &flags), 3);
	if (!flags)
		return;
	b->kind = flags & 0x100 ? PCI_BAR_IO : flags & 0x100000 ? PCI_BAR_MEM64 : PCI_BAR_MEM32;
	b->prefetchable = flags & 0x2000;
	b->address = start;
	b->size = end - start + 1;
}

static void read_cards(void)
{
	FILE *in = fopen(FOLDER "host", "r");
	char line[200], what[20];
	unsigned slot, nr_bars[NR_CARDS] = {0};
	int n;

	ck_assert_msg(in, "no " FOLDER "host; see make oracle-pci");
	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "0000:00:%x.0 %19s %n", &slot, what, &n) != 2)
			continue;
		unsigned i = slot - 4;
		ck_assert_uint_lt(i, NR_CARDS);
		if (!card[i])
			card[i] = soft_empty(f);
		struct pci_device *d = &card[i]->d;
		struct pci_config *c = &card[i]->config;
		if (!strcmp(what, "size"))
			d->config_size = c->size = (unsigned)atoi(line + n);
		else if (!strcmp(what, "config"))
			set_bytes(c->byte, line + n);
		else if (!strcmp(what, "mask"))
			set_bytes(c->writable, line + n);
		else if (!strcmp(what, "resource") && nr_bars[i] <= PCI_NR_BARS)
			set_bar(nr_bars[i] < PCI_NR_BARS ? &d->bar[nr_bars[i]] : &d->rom, line + n),
				nr_bars[i]++;
	}
	fclose(in);
}

static void add(unsigned i, const struct pciback_options *options)
{
	struct pciback_options o = *options;
	char err[300];

	o.has_host = true;
	o.host = (struct host_bdf){.device = (uint8_t)(4 + i)};
	o.vslot = -1;
	ck_assert_msg(!pciback_add(f->pciback, &card[i]->d, &o, err, sizeof(err)), "%s", err);
	card[i] = NULL;
	local_run(f->xs);
}

static void start(enum pciback_topology topology)
{
	f = pf_new(topology);
	f->keep_places = true;
	for (unsigned i = 16; i < FIRST_LINE; i++)
		ck_assert_int_eq(domain_get_free_pirq(f->t->d, true, 1), (int)i);
	read_cards();
	strcpy(out_path, "/tmp/pci-probe.XXXXXX");
	int fd = mkstemp(out_path);
	out = fdopen(fd, "w");
	say("start");
}

/* ---- comparing ---- */

static char *lines_of(const char *command)
{
	char line[300], *all = calloc(1, 1 << 20);
	FILE *p = popen(command, "r");

	while (fgets(line, sizeof(line), p))
		if ((line[0] == '<' || line[0] == '>') && strlen(all) + sizeof(line) < 1 << 20)
			strcat(all, line);
	pclose(p);
	return all;
}

static void finish(const char *name)
{
	char command[300];

	pf_state(f, XenbusStateClosing);
	say("closed: %d", pf_state(f, XenbusStateClosed) == XenbusStateClosed);
	say("end");
	fclose(out);
	snprintf(command, sizeof(command), "sed /^#/d " FOLDER "expected.%s | diff - %s", name,
		 out_path);
	char *found = lines_of(command);
	snprintf(command, sizeof(command), "cat " FOLDER "differences.%s", name);
	char *listed = lines_of(command);
	ck_assert_msg(!strcmp(found, listed),
		      "%s differs (< Linux's, > ours); only what is listed may:\n%.3000s", name,
		      found);
	unlink(out_path);
	free(found);
	free(listed);
	for (unsigned i = 0; i < NR_CARDS; i++) {
		free(card[i]);
		card[i] = NULL;
	}
	pf_free(f);
}

START_TEST(every_answer)
{
	unsigned devfn[PROBE_MAX];

	start(PCIBACK_VPCI);
	add(0, &(struct pciback_options){0});
	add(1, &(struct pciback_options){0});
	add(2, &(struct pciback_options){.permissive = true});
	pf_connect(f);
	unsigned nr = probe_keys(devfn);
	ck_assert_uint_eq(nr, NR_CARDS);
	for (unsigned i = 0; i < nr; i++)
		probe_function(devfn[i]);
	finish("probe");
}
END_TEST

START_TEST(the_other_topology)
{
	unsigned devfn[PROBE_MAX];

	start(PCIBACK_PASSTHROUGH);
	add(1, &(struct pciback_options){0});
	add(2, &(struct pciback_options){0});
	pf_connect(f);
	probe_keys(devfn);
	finish("passthrough");
}
END_TEST

/* What the guest does when the tool has changed something. */
static void change(unsigned i)
{
	unsigned devfn[PROBE_MAX];

	local_run(f->xs);
	ck_assert_uint_eq(pf_backend_state(f), XenbusStateReconfiguring);
	say("change %u", i);
	probe_keys(devfn);
	if (pf_state(f, XenbusStateReconfiguring) != XenbusStateReconfigured)
		say("never Reconfigured");
	probe_keys(devfn);
	if (pf_state(f, XenbusStateConnected) != XenbusStateConnected)
		say("never Connected");
	say("after change %u", i);
	probe_keys(devfn);
}

START_TEST(coming_and_going)
{
	unsigned devfn[PROBE_MAX];

	start(PCIBACK_VPCI);
	add(0, &(struct pciback_options){0});
	pf_connect(f);
	probe_keys(devfn);
	add(1, &(struct pciback_options){0});
	change(0);
	add(2, &(struct pciback_options){0});
	change(1);
	pciback_remove(f->pciback, pciback_find(f->pciback, "00:04.0"), false);
	change(2);
	finish("hotplug");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {every_answer, the_other_topology, coming_and_going};

	return RUN_TESTS("pciback_oracle", NULL, NULL, tests);
}
