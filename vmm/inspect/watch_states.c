/*
 * Negotiations in xenstore that stopped half-way (io/xenbus.h): which pairs of states must
 * not last, and whose turn it is then.
 */
#include <xen/io/xenbus.h>

#include "vmm/inspect/text.h"
#include "vmm/inspect/watch_internal.h"

#define S(state)     (1u << XenbusState##state)
#define ANY	     0x1ffu
#define SLOW_SECONDS 180

static const struct {
	unsigned backend, frontend;
	bool slow; /* a guest boots for a while, and may never load the driver */
	bool guests_turn;
	const char *hint;
} stops[] = {
	{S(InitWait), S(Initialising), true, true, "is its driver loaded?"},
	{S(Initialising), ANY & ~S(Closed), false, false, "it has not published what it can do"},
	{S(InitWait) | S(Initialising), S(Initialised) | S(Connected), false, false,
	 "the frontend has published its rings"},
	{S(InitWait) | S(Initialised), S(InitWait), false, true, "it has not published its rings"},
	/* The PCI backend waits in this state. */
	{S(Initialised), S(Initialising), true, true, "is its driver loaded?"},
	{S(Initialised), S(Initialised) | S(Connected), false, false,
	 "the frontend has published its page"},
	{S(Reconfiguring), S(Initialising), true, true, "is its driver loaded?"},
	{S(Reconfiguring) | S(Reconfigured), S(Connected) | S(Reconfigured), false, true,
	 "it is to look for new and for gone functions"},
	{S(Connected), S(Initialising) | S(InitWait) | S(Initialised), false, true,
	 "the backend is connected"},
	{S(Connected) | S(Reconfigured), S(Closing), false, false, "the frontend closes"},
	{S(Connected), S(Reconfiguring), false, false, "the frontend wants other settings"},
	{S(Reconfigured), S(Reconfiguring), false, true, "the backend has taken the settings"},
	{S(Closing), S(Connected) | S(Initialised) | S(InitWait) | S(Closing), false, true,
	 "it is to close; is the device in use?"},
	{S(Closed), S(Initialising), true, false, "the frontend starts again"},
};

static const char *name(unsigned state)
{
	static const char *const names[] = {
		"nothing", "Initialising", "InitWait",	    "Initialised",  "Connected",
		"Closing", "Closed",	   "Reconfiguring", "Reconfigured",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

static void look(struct watchdog *w, const json_t *device)
{
	unsigned be = (unsigned)text_int(device, "backend_state");
	unsigned fe = (unsigned)text_int(device, "frontend_state");

	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		if (!(stops[i].backend >> be & 1) || !(stops[i].frontend >> fe & 1))
			continue;
		unsigned seconds = w->seconds;
		if (stops[i].slow && seconds < SLOW_SECONDS)
			seconds = SLOW_SECONDS;
		watch_hold(w, "states", text_str(device, "device"), be << 8 | fe, w->clock,
			   seconds * 1000000000ull,
			   "%s for %u s: the backend is %s, the frontend %s (%s)",
			   stops[i].guests_turn ? "the backend waits for the guest"
						: "the guest waits for the backend",
			   seconds, name(be), name(fe), stops[i].hint);
		return;
	}
}

void watch_states(struct watchdog *w, const json_t *devices)
{
	json_t *d;
	size_t i;

	json_array_foreach(json_object_get(devices, "devices"), i, d)
	{
		if (json_object_get(d, "backend_state"))
			look(w, d);
	}
}
