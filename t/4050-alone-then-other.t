# One node is down while the other works alone; then that one is down and
# the first comes back, with data from before. Scripts made it MASTER and
# served the old data, and the newer was overwritten when its node returned.
# Here it holds, and says which node it waits for and what to do else.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

for my $survivor ('primary', 'replica') {
	my $pair = T::Pair->new;
	my $alone = $survivor eq 'primary' ? $pair->primary :
	    $pair->other($pair->primary);
	my $other = $pair->other($alone);
	is($pair->proxy('a')->command('SET', 'k', 'old'), 'OK',
	    "the $survivor survives");
	$pair->steady;
	$pair->kill_nodes($other);
	$pair->proxy($alone)->wait_info(fresh => $alone);
	$pair->proxy($alone)->wait_info(gate => 'open');
	is($pair->proxy($alone)->command('SET', 'k', 'new'), 'OK',
	    'and works alone');
	$pair->kill_nodes($alone);

	$pair->boot_node($other);
	my $proxy = $pair->proxy($other);
	my $client = $proxy->connect->send('GET', 'k');
	$proxy->wait_info(why => qr/may be old/);
	$proxy->wait_info(waiting => 1);
	like($proxy->admin('STATUS'), qr/waiting for node $alone.*PROMOTE $other ACCEPT-LOSS/,
	    'the other waits, and says so');
	is($proxy->info->{gate}, 'closed', 'and serves nothing');

	$pair->boot_node($alone);
	is($client->reply, 'new', 'who waited gets the newer data');
	$pair->steady;
	is($pair->primary, $alone, 'whose copy is the primary');
	stop_all();
}

# The newer data does not come back: an operator decides.
my $pair = T::Pair->new(conf => 'alone hold');
my $gone = $pair->primary;
my $left = $pair->other($gone);
is($pair->proxy('a')->command('SET', 'k', 'old'), 'OK', 'a write');
$pair->steady;
$pair->kill_nodes($gone);
my $proxy = $pair->proxy($left);
$proxy->wait_info(gate => 'closed');
$proxy->wait_info(why => qr/alone is hold.*PROMOTE $left ACCEPT-LOSS/);
pass('with "alone hold" the survivor holds, and says so');
is($proxy->admin('PROMOTE', $gone, 'ACCEPT-LOSS') =~ /^-/, 1,
    'the dead one cannot be promoted');
is($proxy->admin('PROMOTE', $left, 'ACCEPT-LOSS'), 'OK',
    'the survivor can');
is($proxy->command('SET', 'k', 'new'), 'OK', 'and serves, alone hold or not');
$pair->boot_node($gone);
$pair->steady;
is($pair->primary, $left, 'the dead one comes back as its replica');
is($pair->proxy($gone)->command('GET', 'k'), 'new', 'with its data');

done_testing;
