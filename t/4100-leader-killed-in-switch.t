# The leader dies in the middle of a switchover, at each of its steps, and
# both Redis are left as they were then: fenced, or promoted, or neither.
# Scripts that die half way leave two replicas or two primaries. Here the
# other Holdover finds the intent on record, looks how far it came, and goes
# on or back; no acknowledged write is lost and one Redis takes writes.
#
# A step is held up by freezing what it waits for: the other Holdover
# (INTENT, DRAIN, FLIP), the old primary (FENCE), the new one (PROMOTE).
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;
use T::Writers;

# Whom to freeze; and whom to wake before the leader is killed.
my %step = (
	SW_INTENT => sub { $_[0]->proxy($_[2]) },
	SW_FENCE => sub { $_[0]->redis($_[0]->primary) },
	SW_PROMOTE => sub { $_[0]->redis($_[0]->other($_[0]->primary)) },
);

my $pair = T::Pair->new(conf => "drain-timeout 5s\nlease 3s\n");
for my $step (sort keys %step) {
	my $leader = $pair->leader;
	my $other = $pair->other($leader);
	my $proxy = $pair->proxy($leader);
	my $writers = T::Writers->new(port => $pair->proxy($other)->port);
	my $frozen = $step{$step}->($pair, $leader, $other);
	$frozen->child->signal('STOP');
	my $order = $proxy->admin_connect->send('SWITCHOVER');
	my $end = now() + 3;
	1 while now() < $end && $proxy->info->{state} !~ /^SW_/;
	my $state = $proxy->info->{state};
	$proxy->child->kill;
	$frozen->child->signal('CONT');

	# Redis without VRRP: silence of a killed Holdover is a refusal.
	$pair->proxy($other)->wait_info(leader => $other, 30);
	$pair->proxy($other)->wait_info(gate => 'open', 30);
	like($state, qr/^SW_/, "$step: killed in $state");
	$writers->wait_more;
	is($pair->writable, 1, 'one Redis takes writes');
	$proxy->start;
	$pair->steady;
	$writers->wait_more;
	my $w = $writers->stop;
	is($w->{errors} - ($w->{'error.INDOUBT'} // 0), 0, 'no error');
	is($writers->missing($pair->proxy($other)->port), 0,
	    'every acknowledged write is there');
	is($pair->proxy($other)->info->{lost_bytes}, 0, 'nothing is lost');
}

done_testing;
