# A Redis that dies takes requests with it. What was not sent waits, reads
# are asked again, and only a write that may have run is answered with an
# error, which says exactly that.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

# With "everysec" Redis puts a write to the AOF off while one is being synced.
my $redis = T::Redis->new(conf => "appendonly yes\nappendfsync always\n");
my $proxy = T::Proxy->new(redis => $redis)->open;
my ($w, $r, $idle, $tx) = map { $proxy->connect } 1 .. 4;

is($idle->command('SET', 'k', 'v'), 'OK', 'a write before');
is($tx->command('MULTI'), 'OK', 'a transaction is begun');
is($tx->command('INCR', 'n'), 'QUEUED', 'with one command');
$redis->command('DEBUG', 'SLEEP', '0');
# Frozen, it takes requests and answers none: then it dies.
$redis->child->signal('STOP');
$w->send('INCR', 'n');
$r->send('GET', 'k');
$proxy->wait_info(in_flight => 2);
$redis->child->kill;
$redis->start;

like($w->reply, qr/^-INDOUBT Holdover: .*'incr' may or may not have run/,
    'the write in flight is in doubt');
is($r->reply, 'v', 'the read in flight is repeated');
is($idle->command('GET', 'k'), 'v', 'an idle client notices nothing');
is($w->command('INCR', 'n'), 1, 'the writer goes on; the first did not run');
is_deeply($tx->command('EXEC'), [2], 'an open transaction is replayed');
is($proxy->info->{in_doubt}, 1, 'one in doubt');

# While it is away everything waits.
$redis->child->kill;
$proxy->wait_info(gate => 'hold-all');
$w->send('INCR', 'n');
$proxy->wait_info(waiting => 1);
$redis->start;
is($w->reply, 3, 'a write that came meanwhile runs');
is($proxy->info->{in_doubt}, 1, 'and nothing else is in doubt');

done_testing;
