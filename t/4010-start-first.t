# A pair starts for the first time. Scripts on keepalived made whichever node
# became MASTER first the source, and an empty one then emptied the other.
# Here both Redis are looked at before either is told anything: the one with
# data is the primary, wherever it is, and one must be there to compare.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

# Two empty ones, which is what most pairs begin as.
for my $fence (1, 0) {
	my $pair = T::Pair->new(fence => $fence);
	is($pair->writable, 1, "empty, fence $fence: one primary");
	is($pair->proxy('a')->command('SET', 'k', 'v'), 'OK', 'takes writes');
	is($pair->proxy('b')->command('GET', 'k'), 'v', 'seen from the other');
	stop_all();
}

# One has data, on either side, and the boot fence hides which it was.
for my $full (qw(a b)) {
	my $pair = T::Pair->new(later => 1, fence => 0);
	my $empty = $pair->other($full);
	$pair->redis($full)->command('SET', "k$_", 'v') for 1 .. 50;
	$pair->redis($full)->command('REPLICAOF', '127.0.0.1', 1);

	# The empty one is there first: it has to wait for the other.
	$pair->redis($full)->child->signal('STOP');
	$pair->start($empty);
	$pair->proxy($empty)->wait_info(why => qr/waiting for/);
	is($pair->proxy($empty)->info->{gate}, 'closed',
	    "$full has data: $empty alone serves nothing");
	like($pair->proxy($empty)->admin('STATUS'),
	    qr/first start: .*node $full/, 'and says what it waits for');
	$pair->redis($full)->child->signal('CONT');
	$pair->start($full)->steady;
	is($pair->primary, $full, "$full is the primary");
	is($pair->redis($empty)->command('DBSIZE'), 50, 'and was copied');
	stop_all();
}

done_testing;
