# CLIENT UNBLOCK names a client by the id that Holdover gave it. Handed on to
# Redis, that id is of no connection, or of somebody else's.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "workers 2\nswitch-min-gap 0");
my $proxy = $pair->proxy('a');
my $c = $proxy->connect;
my @blocked = map { $proxy->connect } 1 .. 3;
my @ids = map { $_->command('CLIENT', 'ID') } @blocked;

sub is_blocked {
	my ($n) = @_;
	wait_for("$n to be blocked", sub { $pair->redis($pair->primary)
	    ->info->{blocked_clients} == $n });
}

for my $when ('at first', 'after a switch') {
	$blocked[0]->send('BLPOP', 'l', 0);
	$blocked[1]->send('XREAD', 'BLOCK', 0, 'STREAMS', 's', '$');
	$blocked[2]->send('BLMOVE', 'l', 'm', 'LEFT', 'LEFT', 0);
	is_blocked(3);
	if ($when ne 'at first') {
		$pair->switchover;
		is_blocked(3);
	}
	is($c->command('CLIENT', 'UNBLOCK', $ids[1]), 1, "$when: one of them");
	is($blocked[1]->reply, undef, 'has a time-out');
	is($c->command('CLIENT', 'UNBLOCK', $ids[0], 'ERROR'), 1, 'another');
	is($blocked[0]->reply, '-UNBLOCKED client unblocked via CLIENT UNBLOCK',
	    'an error');
	is_blocked(1);
	is($c->command('CLIENT', 'UNBLOCK', $ids[0], 'timeout'), 0,
	    'it is not blocked any more');
	is($c->command('CLIENT', 'UNBLOCK', 12345678), 0, 'there is none');
	is($blocked[0]->command('PING'), 'PONG', 'it goes on');
	is($blocked[0]->command('CLIENT', 'UNBLOCK', $ids[2]), 1, 'the last');
	is($blocked[2]->reply, undef, 'too');
}

like($c->command('CLIENT', 'UNBLOCK', $ids[0], 'x'),
    qr/^-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR/, 'no reason');
like($c->command('CLIENT', 'UNBLOCK', 'x'), qr/^-ERR value is not/, 'no id');
like($c->command('CLIENT', 'UNBLOCK'), qr/^-ERR wrong number/, 'nothing');

done_testing;
