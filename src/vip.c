#include "vip.h"

/* A holder that cannot serve gives the VIP up after this long. */
#define VIP_PATIENCE_MS		1000

/*
 * A handover gives clients this long to hear of it and ask nothing more, then
 * waits for answers, then for the VIP to go.
 */
#define VIP_WARN_MS		100
#define VIP_DRAIN_MS		300
#define VIP_YIELD_MS		1000

/* A VIP that left and that nobody is known to have may be back by then. */
#define VIP_STRANDED_MS		1000

const char *
vip_state_name(enum vip_state s)
{
	static const char *const names[] = { "unfit", "fit", "warn", "drain",
	    "yield" };

	return names[s];
}

static void
vip_set(struct vip *v, enum vip_state state, int64_t now)
{
	if (v->state != state)
		v->since_ms = now;
	v->state = state;
}

void
vip_init(struct vip *v, int64_t now_ms)
{
	v->state = VIP_UNFIT;
	v->since_ms = v->unserved_ms = now_ms;
	v->value = VIP_VALUE_FAULT;
}

/*
 * Sync comes before the VIP; but if nobody is fitter, hold the VIP and hold
 * the commands, for a VIP that nobody has helps no client. While it is not
 * known who is fitter, at the start or just after the peer fell silent, all
 * stays as it is: FAULT and back would begin VRRP's down timer anew. A holder
 * keeps it though its own Redis be dead: the proxy serves from the other one.
 */
static bool
vip_is_fit(const struct vip *v, const struct vip_facts *f)
{
	if (!f->peer_ready)
		return f->holder || f->peer_known || v->state == VIP_FIT;
	if (f->holder)
		return v->unserved_ms == 0 ||
		    f->now_ms - v->unserved_ms < VIP_PATIENCE_MS;
	return f->serving && (f->fresh || !f->peer_holder);
}

/*
 * Who takes the VIP is above whoever had it, until that one is heard in
 * BACKUP: it may be frozen, or deaf, and MASTER still. Of two that are MASTER
 * the newer one stays.
 */
static int
vip_value(const struct vip *v, const struct vip_facts *f)
{
	if (v->state == VIP_UNFIT)
		return VIP_VALUE_FAULT;
	if (!f->holder || (f->peer_ready && !f->peer_holder))
		return VIP_VALUE_FIT;
	return v->callers != VIP_CALLERS_HERE ||
	    v->value == VIP_VALUE_HOLDER ? VIP_VALUE_HOLDER : VIP_VALUE_FIT;
}

bool
vip_hand_over(struct vip *v, const struct vip_facts *f)
{
	if (!f->holder || !f->peer_ready || v->state >= VIP_WARN)
		return false;
	vip_set(v, VIP_WARN, f->now_ms);
	return true;
}

static enum vip_event
vip_end(struct vip *v, const struct vip_facts *f, bool done)
{
	vip_set(v, VIP_FIT, f->now_ms);
	v->value = VIP_VALUE_FIT;
	return done ? VIP_DONE : VIP_FAILED;
}

enum vip_event
vip_look(struct vip *v, const struct vip_facts *f)
{
	int64_t lasted = f->now_ms - v->since_ms;

	if (f->serving)
		v->unserved_ms = 0;
	else if (v->unserved_ms == 0)
		v->unserved_ms = f->now_ms;
	if (v->state == VIP_WARN) {
		if (lasted >= VIP_WARN_MS)
			vip_set(v, VIP_DRAIN, f->now_ms);
		return VIP_NOTHING;
	}
	if (v->state == VIP_DRAIN && (f->idle || lasted >= VIP_DRAIN_MS)) {
		vip_set(v, VIP_YIELD, f->now_ms);
		v->value = VIP_VALUE_FAULT;
		return VIP_NOTHING;
	}
	if (v->state == VIP_DRAIN)
		return VIP_NOTHING;
	if (v->state == VIP_YIELD) {
		if (!f->holder && f->peer_holder)
			return vip_end(v, f, true);
		return lasted >= VIP_YIELD_MS ?
		    vip_end(v, f, !f->holder) : VIP_NOTHING;
	}
	vip_set(v, vip_is_fit(v, f) ? VIP_FIT : VIP_UNFIT, f->now_ms);
	v->value = vip_value(v, f);
	return VIP_NOTHING;
}

bool
vip_lets_go(struct vip *v, const struct vip_facts *f)
{
	enum vip_callers calm = f->address ? VIP_CALLERS_HERE :
	    VIP_CALLERS_NONE;

	switch (v->callers) {
	case VIP_CALLERS_NONE:
		v->callers = calm;
		break;
	case VIP_CALLERS_HERE:
		if (f->address)
			break;
		v->callers = VIP_CALLERS_STRANDED;
		v->stranded_ms = f->now_ms;
		/* FALLTHROUGH */
	case VIP_CALLERS_STRANDED:
		/* Else its ARPs, and so the clients, may come back here. */
		if ((f->peer_holder && f->peer_told) ||
		    f->now_ms - v->stranded_ms >= VIP_STRANDED_MS) {
			v->callers = calm;
			return true;
		}
		if (f->address)
			v->callers = calm;
		break;
	}
	return false;
}
