/*
 * Event channels, SCHEDOP_block and SCHEDOP_poll, timers and the vcpus' threads with
 * everything at once, for ThreadSanitizer. Each vcpu plays a number of rounds; each
 * ends with an answer that somebody surely sends, and the vcpu waits for it in one of
 * the ways that a guest has. A wake-up that is lost shows as a vcpu that stands still.
 * Prints TAP.
 */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/stress/players.h"

#define PATIENCE 30 /* seconds without a round */

static struct test_domain *t;
static _Atomic bool ends; /* backend and nudger */
static sem_t backend_work;

static void notify(void *arg)
{
	struct player *p = arg;

	atomic_fetch_add(&p->requests, 1);
	sem_post(&backend_work);
}

static void *backend(void *arg)
{
	while (!atomic_load(&ends)) {
		sem_wait(&backend_work);
		for (struct player *p = players; p < players + VCPUS; p++) {
			if (!atomic_exchange(&p->requests, 0))
				continue;
			p->reply = p->asked;
			evtchn_backend_send(t->d, p->by_poll ? p->poll_answer : p->answer);
		}
	}
	return NULL;
}

/* Wakes vcpus for no reason, and sets their timers. */
static void *nudger(void *arg)
{
	unsigned seed = 1;

	while (!atomic_load(&ends)) {
		struct vcpu *v = t->d->vcpu[rand_r(&seed) % VCPUS];

		switch (rand_r(&seed) % 4) {
		case 0:
			vcpu_inject_nmi(v);
			break;
		case 1:
			vcpu_unblock(v);
			break;
		case 2:
			domain_lock(t->d);
			vcpu_set_periodic_timer(v, rand_r(&seed) % 2 ? 1000000 : 0);
			domain_unlock(t->d);
			break;
		default:
			usleep(200);
		}
	}
	return NULL;
}

static evtchn_port_t backend_port(struct player *p)
{
	struct evtchn_bind_vcpu b = {.vcpu = p->id};

	b.port = evtchn_bind_backend(t->d, notify, p);
	if (EVTCHN_OP(t, 0, EVTCHNOP_bind_vcpu, &b))
		abort();
	return b.port;
}

static evtchn_port_t masked(evtchn_port_t port)
{
	port_set_mask(t, port, true);
	return port;
}

static void add_player(unsigned id, unsigned rounds)
{
	struct player *p = &players[id];

	memset(p, 0, sizeof(*p));
	p->id = id;
	p->seed = id + 1;
	p->rounds_left = rounds;
	p->answer = backend_port(p);
	p->poll_answer = masked(backend_port(p));
	p->ipi = bind_ipi(t, id);
	p->lock = masked(bind_ipi(t, id));
	p->quiet = masked(bind_ipi(t, id));
	p->timer = bind_virq(t, VIRQ_TIMER, id);
}

static unsigned rounds_played(void)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < VCPUS; i++)
		for (unsigned n = 0; n < NR_PLAYS; n++)
			sum += atomic_load(&players[i].played[n]);
	return sum;
}

static void print_state(void)
{
	printf("# poll_mask %#x, serving %u of %u\n", atomic_load(&t->d->poll_mask),
	       atomic_load(&serving), atomic_load(&next_ticket));
	for (unsigned i = 0; i < VCPUS; i++) {
		struct vcpu *v = t->d->vcpu[i];
		struct cpu *c = &stress_cpu(t, i)->cpu;
		struct player *p = &players[i];

		printf("# vcpu %u: step %u, pause_flags %#x, poll_evtchn %d, poll timer %lu; "
		       "upcall "
		       "pending %u, mask %u, sel %#lx; kick %u, in_guest %u, sleep_word %u; answer "
		       "%u of %u, requests %u, ipi %u of %u, ticket %u\n",
		       i, (unsigned)STEP(v), atomic_load(&v->pause_flags),
		       atomic_load(&v->poll_evtchn), atomic_load(&v->timer[TIMER_POLL]),
		       v->vcpu_info->evtchn_upcall_pending, v->vcpu_info->evtchn_upcall_mask,
		       v->vcpu_info->evtchn_pending_sel, atomic_load(&c->kick),
		       atomic_load(&c->in_guest), atomic_load(&c->sleep_word), p->answered,
		       p->asked, atomic_load(&p->requests), atomic_load(&p->ipi_taken),
		       atomic_load(&p->ipi_posted), atomic_load(&p->waits_for));
	}
}

/* False when nobody made a round for too long. */
static bool wait_for_players(void)
{
	unsigned before = 0, still = 0;

	while (atomic_load(&running)) {
		unsigned sum = rounds_played();

		usleep(10000);
		still = sum == before ? still + 1 : 0;
		before = sum;
		if (still == PATIENCE * 100)
			return false;
	}
	return true;
}

struct game {
	const char *name;
	unsigned plays; /* bit n: enum play n */
	unsigned rounds;
	bool nudged;
};

#define PLAY(n)	  (1u << (n))
#define ALL_PLAYS (PLAY(NR_PLAYS) - 1)

/* One kind alone first: what one kind of wake-up loses another may make good. */
static const struct game games[] = {
	{"block", PLAY(ASK_BLOCK), 10000, false},
	{"poll", PLAY(ASK_POLL), 10000, false},
	{"upcalls without a hypercall", PLAY(ASK_SPIN), 10000, false},
	{"IPIs", PLAY(IPI) | PLAY(IPI_MASKED), 10000, false},
	{"locks", PLAY(LOCK), 10000, false},
	{"timers", PLAY(TIMER) | PLAY(TIMEOUT), 500, false},
	{"block and poll", PLAY(ASK_BLOCK) | PLAY(ASK_POLL) | PLAY(IPI), 10000, false},
	{"all, nudged", ALL_PLAYS, 5000, true},
};

static void run_game(const struct game *g)
{
	pthread_t threads[2];

	nr_plays = 0;
	for (unsigned n = 0; n < NR_PLAYS; n++)
		if (g->plays & PLAY(n))
			plays[nr_plays++] = n;
	t = stress_domain(VCPUS, FIRST_STEP);
	for (unsigned i = 0; i < VCPUS; i++)
		add_player(i, g->rounds);
	atomic_store(&running, VCPUS);
	atomic_store(&ends, false);
	stress_start(t);
	pthread_create(&threads[0], NULL, backend, NULL);
	if (g->nudged)
		pthread_create(&threads[1], NULL, nudger, NULL);
	if (!wait_for_players()) {
		print_state();
		printf("not ok - events: %s: a vcpu stands still\n", g->name);
		fflush(stdout);
		_exit(1);
	}
	stress_join(t);
	atomic_store(&ends, true);
	sem_post(&backend_work);
	pthread_join(threads[0], NULL);
	if (g->nudged)
		pthread_join(threads[1], NULL);
	printf("ok - events: %s: %u rounds\n", g->name, rounds_played());
	stress_domain_free(t);
}

int main(void)
{
	sem_init(&backend_work, 0, 0);
	for (size_t i = 0; i < sizeof(games) / sizeof(games[0]); i++)
		run_game(&games[i]);
	return 0;
}
