/*
 * Event channels: what each port is, who holds it, and how its event stands.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/inspect.h"
#include "pvabi/evtchn.h"
#include "vmm/inspect/inspect.h"
#include "vmm/inspect/text.h"

/* A port as it was while the lock was held. */
struct row {
	evtchn_port_t port;
	struct evtchn chn;
	bool pending, masked;
	uint32_t word;
};

static unsigned copy_ports(struct domain *d, struct row **rows, bool *fifo)
{
	unsigned nr = 0;

	evtchn_lock(d);
	*fifo = d->evtchn_fifo;
	*rows = malloc(d->nr_evtchns * sizeof(**rows));
	for (evtchn_port_t port = 1; *rows && port < d->nr_evtchns; port++) {
		struct row *r = &(*rows)[nr];

		if (!evtchn_usable(&d->evtchn[port]))
			continue;
		r->port = port;
		r->chn = d->evtchn[port];
		r->pending = evtchn_ops(d)->is_pending(d, port);
		r->masked = evtchn_ops(d)->is_masked(d, port);
		r->word = *fifo ? evtchn_fifo_word(d, port) : 0;
		nr++;
	}
	evtchn_unlock(d);
	return nr;
}

static const char *virq_name(unsigned virq)
{
	static const char *const names[NR_VIRQS] = {
		[VIRQ_TIMER] = "TIMER",
		[VIRQ_DEBUG] = "DEBUG",
		[VIRQ_CONSOLE] = "CONSOLE",
		[VIRQ_DOM_EXC] = "DOM_EXC",
		[VIRQ_TBUF] = "TBUF",
		[VIRQ_DEBUGGER] = "DEBUGGER",
		[VIRQ_XENOPROF] = "XENOPROF",
		[VIRQ_CON_RING] = "CON_RING",
		[VIRQ_PCPU_STATE] = "PCPU_STATE",
		[VIRQ_MEM_EVENT] = "MEM_EVENT",
		[VIRQ_ARGO] = "ARGO",
		[VIRQ_ENOMEM] = "ENOMEM",
		[VIRQ_XENPMU] = "XENPMU",
	};

	return virq < NR_VIRQS && names[virq] ? names[virq] : "?";
}

/* "what": a sentence's part for people; the rest by number. */
static void put_kind(json_t *j, const struct row *r, const struct inspect_holders *h)
{
	const struct evtchn *c = &r->chn;
	char what[160];
	const char *holder = NULL, *kind = "?";

	switch ((enum evtchn_state)c->state) {
	case ECS_UNBOUND:
		kind = "unbound";
		json_put(j, "remote_domain", c->u.unbound.remote_domid);
		snprintf(what, sizeof(what), "nobody yet; domain %u may bind",
			 c->u.unbound.remote_domid);
		break;
	case ECS_INTERDOMAIN:
		kind = "interdomain";
		json_put(j, "remote_domain", c->u.interdomain.remote_domid);
		json_put(j, "remote_port", c->u.interdomain.remote_port);
		if (c->u.interdomain.remote) {
			snprintf(what, sizeof(what), "domain %u, port %u",
				 c->u.interdomain.remote_domid, c->u.interdomain.remote_port);
			break;
		}
		holder = inspect_port_holder(h, r->port);
		snprintf(what, sizeof(what), "%s", holder ? holder : "a backend");
		break;
	case ECS_PIRQ:
		kind = "PIRQ";
		json_put(j, "pirq", c->u.pirq);
		snprintf(what, sizeof(what), "PIRQ %u", c->u.pirq);
		break;
	case ECS_VIRQ:
		kind = "VIRQ";
		json_put(j, "virq", c->u.virq);
		snprintf(what, sizeof(what), "VIRQ %u, %s", c->u.virq, virq_name(c->u.virq));
		break;
	default:
		kind = "IPI";
		snprintf(what, sizeof(what), "the guest itself");
		break;
	}
	json_object_set_new(j, "kind", json_string(kind));
	json_object_set_new(j, "holder", json_string(what));
}

static json_t *port_json(const struct row *r, bool fifo, const struct inspect_holders *h)
{
	json_t *j = json_pack("{s:i, s:i, s:b, s:b}", "port", (int)r->port, "vcpu",
			      (int)r->chn.notify_vcpu, "pending", r->pending, "masked", r->masked);
	char queue[48];

	put_kind(j, r, h);
	json_put(j, "sent", r->chn.sent);
	json_put(j, "raised", r->chn.raised);
	if (!fifo)
		return j;
	bool linked = r->word >> EVTCHN_FIFO_LINKED & 1;
	json_put(j, "priority", r->chn.priority);
	json_object_set_new(j, "linked", json_boolean(linked));
	json_object_set_new(j, "busy", json_boolean(r->word >> EVTCHN_FIFO_BUSY & 1));
	if (linked) {
		snprintf(queue, sizeof(queue), "vcpu %u, priority %u", r->chn.last_vcpu,
			 r->chn.last_priority);
		json_object_set_new(j, "queue", json_string(queue));
		if (r->word & EVTCHN_FIFO_LINK_MASK)
			json_put(j, "next", r->word & EVTCHN_FIFO_LINK_MASK);
	}
	return j;
}

/* The queues that are not empty. The guest moves heads: they may be old. */
static json_t *queues_json(struct domain *d)
{
	json_t *all = json_array();
	struct vcpu *v;

	evtchn_lock(d);
	for_each_vcpu (d, v)
		for (unsigned q = 0; d->evtchn_fifo && q < EVTCHN_FIFO_MAX_QUEUES; q++) {
			evtchn_port_t head, tail;
			bool ready;

			if (evtchn_fifo_queue(v, q, &head, &tail, &ready) &&
			    (ready ||
			     (head && evtchn_fifo_word(d, head) >> EVTCHN_FIFO_LINKED & 1)))
				json_array_append_new(all,
						      json_pack("{s:i, s:i, s:i, s:i, s:b}", "vcpu",
								(int)v->id, "priority", (int)q,
								"head", (int)head, "tail",
								(int)tail, "ready", ready));
		}
	evtchn_unlock(d);
	return all;
}

static int fill(const struct inspect_target *t, unsigned nr, const char *const *arg, json_t *out,
		struct error *err)
{
	struct domain *d = t->guest->domain;
	json_t *devices = inspect_devices(t, 0), *ports = json_array();
	struct inspect_holders *h = inspect_holders_new(devices);
	struct row *rows;
	bool fifo;
	unsigned n = copy_ports(d, &rows, &fifo);

	json_object_set_new(out, "abi", json_string(fifo ? "FIFO" : "two levels"));
	json_put(out, "highest_port", d->max_evtchn_port);
	for (unsigned i = 0; rows && i < n; i++)
		json_array_append_new(ports, port_json(&rows[i], fifo, h));
	json_object_set_new(out, "ports", ports);
	if (fifo)
		json_object_set_new(out, "queues", queues_json(d));
	free(rows);
	inspect_holders_free(h);
	json_decref(devices);
	return 0;
}

static void print(FILE *f, const json_t *j)
{
	static const struct column ports[] = {
		{"port", "port", COL_PLAIN},
		{"kind", "kind", COL_PLAIN},
		{"vcpu", "vcpu", COL_PLAIN},
		{"pending", "pending", COL_PLAIN},
		{"masked", "masked", COL_PLAIN},
		{"priority", "priority", COL_PLAIN},
		{"queue", "on the queue of", COL_PLAIN},
		{"sent", "sent", COL_PLAIN},
		{"raised", "raised", COL_PLAIN},
		{"holder", "held by", COL_PLAIN},
		{0},
	};
	static const struct column queues[] = {
		{"vcpu", "vcpu", COL_PLAIN},   {"priority", "priority", COL_PLAIN},
		{"head", "first", COL_PLAIN},  {"tail", "last", COL_PLAIN},
		{"ready", "ready", COL_PLAIN}, {0},
	};

	fprintf(f, "event channels: %s, %zu ports in use, the highest may be %lld\n",
		text_str(j, "abi"), json_array_size(json_object_get(j, "ports")),
		(long long)text_int(j, "highest_port"));
	text_table(f, "", json_object_get(j, "ports"), ports);
	if (json_array_size(json_object_get(j, "queues"))) {
		fprintf(f, "\nqueues with events:\n");
		text_table(f, "", json_object_get(j, "queues"), queues);
	}
}

const struct inspect_subject inspect_events = {
	.name = "events",
	.operands = "",
	.summary = "event channels: who holds which port, and its state",
	.fill = fill,
	.print = print,
};
