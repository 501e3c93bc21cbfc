# Commands that travel together must part when something happens to one of
# them: each that reads is repeated, each write that may have run is in
# doubt, each that Redis refused waits; and a transaction is one thing.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new(conf => "appendonly yes\n");
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 1\n"
    . "hold-timeout 60s\n")->open;

sub batch { join '', map { T::Resp::encode(@$_) } @_ }
sub word { map { ref $_ || !defined $_ ? $_ : s/^(-\w+).*/$1/r } @_ }

# Redis is frozen, has all of it, and dies.
my ($run, $tx, $half, $queued, $reader) = map { $proxy->connect } 1 .. 5;
$run->command('SET', 'k', 'v');
$half->command('MULTI');
$half->command('INCR', 'half');
$redis->child->signal('STOP');
$run->raw(batch((['GET', 'k'], ['INCR', 'n']) x 50));
$tx->raw(batch(['MULTI'], ['INCR', 'n'], ['GET', 'k'], ['EXEC'],
    ['GET', 'k']));
$half->send('EXEC')->send('GET', 'k');
$queued->send('MULTI');
$reader->raw(batch((['GET', 'k']) x 500));
$proxy->wait_info(in_flight => 7);
$queued->raw(batch(['INCR', 'n'], ['EXEC']));
$proxy->wait_info(in_flight => 9);
$redis->child->kill;
$redis->start;
is_deeply([word map { $run->reply } 1 .. 100], [('v', '-INDOUBT') x 50],
    'of a run, reads are repeated, writes in doubt');
is_deeply([word map { $tx->reply } 1 .. 5], ['OK', 'QUEUED', 'QUEUED',
    '-INDOUBT', 'v'], 'a transaction is in doubt as a whole');
is_deeply([word map { $half->reply } 1 .. 2], ['-INDOUBT', 'v'],
    'an EXEC on its own, too');
is($half->command('INCR', 'half'), 1, 'and the transaction is over');
is_deeply([word map { $queued->reply } 1 .. 3], ['OK', 'QUEUED',
    '-INDOUBT'], 'so for one that was sent piece by piece');
is($queued->command('INCR', 'queued'), 1, 'that is over, too');
is((grep { $reader->reply eq 'v' } 1 .. 500), 500, '500 reads are repeated');
is($proxy->info->{in_doubt}, 53, 'that many are counted as in doubt');

# Redis refuses, as a replica does.
my $direct = $redis->connect;
$direct->command('DEL', 'n', 'list');
$direct->command('REPLICAOF', '127.0.0.1', 1);
$run->raw(batch((['RPUSH', 'list', 'x'], ['LLEN', 'list']) x 20));
$tx->raw(batch(['MULTI'], ['INCR', 'n'], ['EXEC'], ['MULTI'], ['INCR', 'n'],
    ['EXEC']));
wait_for('both to be refused', sub { $proxy->info->{bounced} >= 3 });
ok(!$run->readable(0.05) && !$tx->readable(0), 'both wait');
$direct->command('REPLICAOF', 'NO', 'ONE');
is_deeply([map { $run->reply } 1 .. 40], [map { ($_, $_) } 1 .. 20],
    'the run goes on in order, each once');
is_deeply([map { $tx->reply } 1 .. 6], ['OK', 'QUEUED', [1], 'OK', 'QUEUED',
    [2]], 'so do the transactions');
is($proxy->info->{bounce_passed}, 0, 'no refusal was passed on');

# Held as a crowd, answered as a crowd.
$proxy->admin('PAUSE', 'WRITE', '60s');
$run->raw(batch((['GET', 'k']) x 10, (['INCR', 'm'], ['GET', 'm']) x 100));
is_deeply([map { $run->reply } 1 .. 10], [('v') x 10],
    'reads before the first write go on');
$tx->raw(batch(['MULTI'], ['INCR', 'n'], ['EXEC']));
$proxy->wait_info(waiting => 2);
ok(!$run->readable(0) && !$tx->readable(0), 'the rest waits');
$proxy->admin('RESUME');
is_deeply([map { $run->reply } 1 .. 200], [map { ($_, $_) } 1 .. 100],
    'and goes on in order');
is_deeply([map { $tx->reply } 1 .. 3], ['OK', 'QUEUED', [3]],
    'the transaction, too');

# Too long: each gets its answer.
my $short = T::Proxy->new(redis => $redis, conf => "hold-timeout 100ms\n")
    ->open;
$short->admin('PAUSE', 'WRITE', '60s');
my $late = $short->connect;
$late->raw(batch(['MULTI'], ['INCR', 'n'], ['GET', 'n'], ['EXEC']));
is_deeply([word map { $late->reply } 1 .. 4], ['OK', '-LOADING', '-LOADING',
    '-EXECABORT'], 'hold-timeout of a transaction');
is($late->command('PING'), 'PONG', 'its client goes on');
is($direct->command('GET', 'n'), 3, 'it did not run');

# A primary that is not new lacks replicas because it has none.
$short->admin('RESUME');
$redis->command('CONFIG', 'SET', 'min-replicas-to-write', 1);
like($late->command('INCR', 'n'), qr/^-(?:LOADING|NOREPLICAS)/,
    'no replica: a new primary may get one');
wait_for('it to be new no more', sub {
	$late->command('INCR', 'n') =~ /^-NOREPLICAS/ });
is($direct->command('GET', 'n'), 3, 'an old one refuses');
is($redis->command('CONFIG', 'SET', 'min-replicas-to-write', 0), 'OK',
    'until that is allowed');
is($late->command('INCR', 'n'), 4, 'it goes on');

# Answered in part when the rest of it is refused, behind one that was.
$direct->command(qw(CONFIG SET min-replicas-to-write 1));
$short->admin('RESUME');
for my $reads (1 .. 3) {
	my $c = $short->connect;
	$c->send('INCR', 'n')->raw(batch((['GET', 'n']) x $reads,
	    ['INCR', 'n'], ['PING']));
	my @got = map { $c->reply } 1 .. $reads + 3;
	like($_, qr/^-(NOREPLICAS|LOADING)/, 'it is told why') for @got[0, -2];
	is_deeply([grep { !/^(4|PONG|-LOADING.*not run)$/ } @got[1 .. $reads,
	    -1]], [], "no answer is lost or moved, $reads before");
}
$direct->command(qw(CONFIG SET min-replicas-to-write 0));

done_testing;
