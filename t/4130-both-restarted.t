# Both Holdovers are restarted, one after the other, and for a moment each
# was alone with both Redis: so each claimed the same epoch by itself. When
# they meet again, one of them must lead, and both serve.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new;
for my $first (qw(a b)) {
	my ($x, $y) = map { $pair->proxy($_) } $first, $pair->other($first);
	my $c = $y->connect;

	$x->child->stop;
	is($c->command('SET', 'k', $first), 'OK', "without $first");
	$y->wait_info(leader => $pair->other($first));
	$y->child->stop;
	$x->start->wait_info(leader => $first);
	$x->open;
	$y->start;
	$pair->steady;
	is($_->command('GET', 'k'), $first, 'both serve the newest')
	    for $x, $y;
	is(wait_for('one leader', sub {
		my ($a, $b) = map { $_->info->{leader} } $x, $y;
		$a eq $b && $a }), $x->info->{leader}, 'and one of them leads');
	$pair->switchover;
	$pair->steady;
}

done_testing;
