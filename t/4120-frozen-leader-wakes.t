# The leader, at the VIP and with the primary, freezes with its whole node for
# seconds. The other node takes over and serves. Then it wakes: its clients'
# requests and what it had decided are all there, and its own clock makes it
# believe that a moment has passed. It must answer nothing from its old
# data and give no order; what was acknowledged meanwhile must be seen.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new;
my $old = $pair->primary;
my $new = $pair->other($old);
$pair->proxy($old)->admin('NOTIFY', 'INSTANCE', 'VI_1', 'MASTER', 200);
wait_for("$old to lead", sub {
	my $leader = $pair->leader // '';
	return 1 if $leader eq $old;
	# A Holdover that restarts leaves the lead to the other.
	$pair->proxy($leader)->child->kill;
	$pair->proxy($leader)->start;
	$pair->steady;
	return 0;
});
my $client = $pair->proxy($old)->connect;
is($client->command('SET', 'k', 'before'), 'OK', 'a write before');
$pair->steady;

for my $round (1, 2) {
	my @node = ($pair->proxy($old), $pair->redis($old));
	$_->child->signal('STOP') for @node;
	$pair->proxy($new)->admin('NOTIFY', 'INSTANCE', 'VI_1', 'MASTER', 200);
	$pair->proxy($new)->wait_info(serving => $new);
	$pair->proxy($new)->wait_info(gate => 'open');
	is($pair->proxy($new)->command('SET', 'k', "after $round"), 'OK',
	    'the other serves and takes a write');
	# It is in its socket when it wakes; its Redis wakes as well.
	my @late = map { $pair->proxy($old)->connect->send('GET', 'k') } 1 .. 8;
	$client->send('GET', 'k');
	$_->child->signal('CONT') for @node;
	is($_->reply, "after $round", 'who asks the woken one gets the new')
	    for $client, @late;
	$pair->steady;
	is($pair->leader, $new, 'the other still leads');
	is($pair->writable, 1, 'one primary');
	like($pair->proxy($old)->log, qr/nothing was done for \d+ ms/,
	    'the woken one knows that it slept');
	# And back for the next round.
	$pair->proxy($_)->admin('NOTIFY', 'INSTANCE', 'VI_1', 'BACKUP', 100)
	    for qw(a b);
	($old, $new) = ($new, $old);
	$client = $pair->proxy($old)->connect;
	$pair->proxy($old)->admin('NOTIFY', 'INSTANCE', 'VI_1', 'MASTER', 200);
}

done_testing;
