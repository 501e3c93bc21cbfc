# An empty data set is no lost one when clients emptied it. A rule that takes
# every empty primary for a loss would bring the old data back, from a copy
# or by waiting for one, and clients would read what they had deleted.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

for my $persistence (qw(aof rdb)) {
	my $pair = T::Pair->new(persistence => $persistence);
	my $primary = $pair->primary;
	my $client = $pair->proxy('a')->connect;
	$client->command('SET', "k$_", 'v') for 1 .. 10;
	$pair->steady;
	is($pair->redis($_)->command('DBSIZE'), 10, "$persistence: data on $_")
	    for qw(a b);
	is($client->command('FLUSHALL'), 'OK', 'it is deleted');
	wait_for('the replica', sub { $pair->redis($pair->other($primary))
	    ->command('DBSIZE') == 0 });
	$pair->redis($_)->command('SAVE') for qw(a b);

	# Only the primary's Redis restarts, then both nodes.
	$pair->redis($primary)->child->kill;
	$pair->redis($primary)->start;
	$pair->steady;
	is($client->command('DBSIZE'), 0, 'still empty after a restart');
	$pair->kill_nodes(qw(a b));
	$pair->boot_node($_) for qw(b a);
	$pair->steady;
	is($pair->proxy('b')->command('DBSIZE'), 0, 'and after two');
	is($pair->proxy('b')->command('SET', 'k', 'v'), 'OK',
	    'and it serves, without an operator');
	stop_all();
}

# The other way round: one that lost its data is not what anybody wanted.
my $pair = T::Pair->new(persistence => 'none');
my $primary = $pair->primary;
my $replica = $pair->other($primary);
$pair->proxy('a')->command('SET', 'k', 'v');
$pair->steady;
$pair->redis($replica)->child->kill;
$pair->proxy('a')->wait_info(fresh => $primary);
$pair->redis($primary)->child->kill;
$pair->redis($_)->start for qw(a b);
my $leader = $pair->leader;
$pair->proxy($leader)->wait_info(why => qr/came back empty/);
is($pair->proxy($leader)->info->{gate}, 'hold-all',
    'the only fresh copy came back empty: it is held');
like($pair->proxy($leader)->admin('STATUS'), qr/PROMOTE \S+ ACCEPT-LOSS/,
    'and said what decides');
is($pair->proxy($leader)->admin('PROMOTE', $primary, 'ACCEPT-LOSS'), 'OK',
    'an operator accepts it');
$pair->steady;
pass('and the pair serves');

done_testing;
