# An existing primary and its replica get Holdovers, while clients write to
# the primary as they always did. Nothing may be switched, attached anew or
# held: the roles are taken as they are, and no write is missed.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;
use T::Writers;

for my $primary (qw(a b)) {
	my $pair = T::Pair->new(later => 1, fence => 0);
	my $replica = $pair->other($primary);
	my ($p, $r) = map { $pair->redis($_) } $primary, $replica;
	$r->command('REPLICAOF', '127.0.0.1', $p->port);
	wait_for('the replica', sub {
		$r->info->{master_link_status} eq 'up' });
	my %before = %{$p->info};
	my $writers = T::Writers->new(port => $p->port);

	# Either node's Holdover may be first.
	$pair->start($replica, $primary)->steady;
	$writers->wait_more;
	my $w = $writers->stop;
	is($pair->primary, $primary, "$primary stays the primary");
	is($w->{errors} + $w->{cuts} + $w->{timeouts}, 0,
	    'its clients noticed nothing');
	my %after = %{$p->info};
	is($after{$_}, $before{$_}, "$_ is as before")
	    for qw(run_id master_replid sync_full sync_partial_ok);
	is($writers->missing($pair->proxy($_)->port), 0,
	    "all is read back by way of $_") for qw(a b);
	stop_all();
}

done_testing;
