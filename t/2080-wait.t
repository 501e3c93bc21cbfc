# WAIT is about the writes of its own connection, and a client's writes go by
# one that it shares: since Redis 7.2 a connection without writes waits for
# nothing, so that WAIT would confirm what no replica has. Here the replica is
# frozen after it has acknowledged all that came before.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $replica = T::Redis->new(conf => 'replicaof 127.0.0.1 ' . $redis->port);
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 1\n")->open;
wait_for('the replica', sub { $replica->info->{master_link_status} eq 'up' });

my @others = map { $proxy->connect } 1 .. 5;
sub freeze { $replica->child->signal($_[0] ? 'STOP' : 'CONT') }
sub batch { join '', map { T::Resp::encode(@$_) } @_ }

# What the client does before it, on a connection that others share.
my %before = (
	'a write' => [['SET', 'k', 1]],
	'a write in a pipeline' => undef,
	'a script' => [['EVAL', 'return redis.call("INCR", KEYS[1])', 1, 'n']],
	'a transaction' => [['MULTI'], ['INCR', 'n'], ['EXEC']],
	'a write, then a read' => [['SET', 'k', 2], ['GET', 'k']],
	'a write, then a blocked read' => [['SET', 'k', 2],
	    ['BLPOP', 'none', '0.01']],
	'an element that was waited for' => [['BLPOP', 'queue', 1]],
	'a write, then a large one' => [['SET', 'k', 1],
	    ['SET', 'large', 'x' x 100_000], ['GET', 'large']],
);
for my $what (sort keys %before) {
	my $c = $proxy->connect;
	$_->command('SET', 'o', 1) for @others;
	is($c->command('WAIT', 1, 5000), 1, 'the replica has all');
	$c->close;
	$c = $proxy->connect;
	$others[0]->command('RPUSH', 'queue', 1);
	freeze(1);
	if ($before{$what}) {
		$c->command(@$_) for @{$before{$what}};
		is($c->command('WAIT', 1, 50), 0, "WAIT after $what");
	} else {
		$c->raw(batch(['SET', 'k', 1], ['WAIT', 1, 50]));
		is_deeply([map { $c->reply } 1 .. 2], ['OK', 0],
		    "WAIT behind $what");
	}
	# Others are not delayed by one that waits, and neither are its own.
	$c->send('WAIT', 1, 0);
	is($others[0]->command('SET', 'k', 2), 'OK', 'others go on');
	freeze(0);
	is($c->reply, 1, 'it ends when the replica has it');
	$c->close;
}

# Who waits after each write keeps its connection, for a while.
my $c = $proxy->connect;
$c->command('SET', 'k', 1);
$c->command('WAIT', 1, 1000);
my $opened = $proxy->info->{links_opened};
for (1 .. 100) {
	$c->command('SET', 'k', $_);
	$c->command('WAIT', 1, 1000) == 1 or fail("WAIT $_");
}
is($proxy->info->{links_opened}, $opened, 'none is made for each WAIT');

# Under load, the link that is to be had has answers to come.
$_->raw(batch((['INCR', 'load']) x 2000)) for @others;
$c = $proxy->connect;
freeze(1);
$c->command('SET', 'k', 1);
is($c->command('WAIT', 1, 50), 0, 'WAIT on a busy connection');
freeze(0);
for my $o (@others) {
	$o->reply for 1 .. 2000;
	$o->command('WAIT', 1, 5000) == 1 or fail('WAIT');
}
is($redis->command('GET', 'load'), 10_000, 'nothing of the others is lost');
$proxy->wait_info(links_own => 0);

done_testing;
