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
	for my $n (qw(a b)) {
		wait_for("$persistence: data on $n", sub {
			$pair->redis($n)->command('DBSIZE') == 10 });
	}
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
my $pair = T::Pair->new(persistence => { a => 'none', b => 'aof' });
$pair->move_primary('a');
$pair->proxy('a')->command('SET', 'k', 'old');
wait_for('b to have it', sub {
	($pair->redis('b')->command('GET', 'k') // '') eq 'old' });
$pair->redis('b')->child->kill;
$pair->proxy('a')->wait_info(fresh => 'a');
is($pair->proxy('a')->command('SET', 'k', 'new'), 'OK', 'only a has this');
$pair->redis('a')->child->kill;
# What was synced to it is of before: a disk that is gone.
unlink "$pair->{redis}{a}{dir}/dump.rdb";
$pair->redis($_)->start for qw(a b);
my $leader = $pair->leader;
$pair->proxy($leader)->wait_info(why => qr/came back empty and the copy of node b/);
is($pair->proxy($leader)->info->{gate}, 'hold-all',
    'the only fresh copy came back empty: it is held');
like($pair->proxy($leader)->admin('STATUS'), qr/PROMOTE \S+ ACCEPT-LOSS/,
    'and said what decides');
is($pair->proxy($leader)->admin('PROMOTE', 'b', 'ACCEPT-LOSS'), 'OK',
    'an operator takes the older data');
$pair->steady;
is($pair->proxy('a')->command('GET', 'k'), 'old', 'and the pair serves it');

done_testing;
