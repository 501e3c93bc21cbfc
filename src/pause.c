#include "pause.h"

_Atomic int64_t pause_until;

void
pause_begin(struct mono until)
{
	int64_t was = atomic_load(&pause_until);

	while (was < until.us &&
	    !atomic_compare_exchange_weak(&pause_until, &was, until.us))
		continue;
}

void
pause_end(void)
{
	atomic_store(&pause_until, 0);
}
