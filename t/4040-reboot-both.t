# Both nodes lose power and come back, in either order, with the older data
# first or last. Scripts served whatever came up first and had the other copy
# it. Here the copy that has all wins, wherever and whenever it comes.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

# What the pair serves, by way of both nodes.
sub serves {
	my ($pair, $key) = @_;
	my @got = map { $pair->proxy($_)->command('GET', $key) // 'nothing' }
	    qw(a b);
	return $got[0] eq $got[1] ? $got[0] : "@got";
}

for my $persistence (qw(aof rdb none)) {
	for my $first (qw(a b)) {
		my $case = "$persistence, $first comes first";
		my $pair = T::Pair->new(persistence => $persistence);
		my $primary = $pair->primary;
		my $last = $pair->other($first);
		is($pair->proxy('a')->command('SET', 'k', 'v'), 'OK', $case);
		$pair->steady;
		if ($persistence eq 'rdb') {
			is($pair->redis($_)->command('SAVE'), 'OK', 'saved')
			    for qw(a b);
		}
		$pair->kill_nodes(qw(a b));
		$pair->boot_node($first);
		# It may have missed something: it waits for the other.
		$pair->proxy($first)->wait_info(why => qr/may be old/);
		is($pair->proxy($first)->info->{gate}, 'closed',
		    'alone it serves nothing');
		like($pair->proxy($first)->admin('STATUS'),
		    qr/PROMOTE $first ACCEPT-LOSS/, 'and says what to do');
		$pair->boot_node($last);
		$pair->steady;
		is(serves($pair, 'k'), $persistence eq 'none' ? 'nothing' :
		    'v', 'the data is there');
		is($pair->writable, 1, 'one primary');
		stop_all();
	}
}

# The primary's RDB is older than the replica's: the newer copy wins. The
# offsets show it, for an RDB keeps the replication id.
for my $first (qw(a b)) {
	my $pair = T::Pair->new(persistence => 'rdb');
	my $primary = $pair->primary;
	my $replica = $pair->other($primary);
	my $client = $pair->proxy('a')->connect;
	$client->command('SET', 'k', 'old');
	is($pair->redis($primary)->command('SAVE'), 'OK',
	    "rdb, the newer on the replica, $first comes first");
	$client->command('SET', 'k', 'new');
	$pair->steady;
	wait_for('the replica to have it', sub {
		($pair->redis($replica)->command('GET', 'k') // '')
		    eq 'new' });
	is($pair->redis($replica)->command('SAVE'), 'OK', 'saved');
	$pair->kill_nodes(qw(a b));
	$pair->boot_node($_) for $first, $pair->other($first);
	$pair->steady;
	is(serves($pair, 'k'), 'new', 'the newer data is served');
	is($pair->primary, $replica, 'from the replica, now the primary');
	stop_all();
}

done_testing;
