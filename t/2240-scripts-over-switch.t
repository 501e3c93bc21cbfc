# A new primary has never seen the scripts that clients name by their SHA1:
# EVALSHA must not fail there, nor run twice, nor lose its place in order.
use strict;
use warnings;
use Digest::SHA 'sha1_hex';
use Test::More;
use T;
use T::Pair;

my $pair = T::Pair->new(conf => "workers 2\nswitch-min-gap 0");
my $proxy = $pair->proxy('a');
my ($c, $other) = map { $proxy->connect } 1 .. 2;
my $incr = 'return redis.call("incrby", KEYS[1], ARGV[1])';
my $get = 'return redis.call("get", KEYS[1])';
my $list = 'return redis.call("rpush", KEYS[1], ARGV[1])';
sub batch { join '', map { T::Resp::encode(@$_) } @_ }

is($c->command('SCRIPT', 'LOAD', $incr), sha1_hex($incr), 'SCRIPT LOAD');
is($c->command('EVAL', $get, 1, 'n'), undef, 'EVAL');
is($c->command('EVAL', $list, 1, 'l', 0), 1, 'EVAL');
$pair->switchover;
is($other->command('EVALSHA', sha1_hex($incr), 1, 'n', 5), 5,
    'EVALSHA at the new primary, by another client');
is($other->command('EVALSHA_RO', uc sha1_hex($get), 1, 'n'), 5,
    'EVALSHA_RO');
is($proxy->info->{scripts_shown}, 1, 'what was not loaded is shown again');
is($other->command('EVALSHA', sha1_hex($incr), 1, 'n', 5), 10,
    'and are known there now');

# Many in one piece: in order, each once.
$c->raw(batch((map { ['EVALSHA', sha1_hex($list), 1, 'l', $_] } 1 .. 9),
    ['ECHO', 'end']));
is_deeply([map { $c->reply } 1 .. 10], [2 .. 10, 'end'], 'pipelined');
is_deeply($c->command('LRANGE', 'l', 0, -1), [0 .. 9], 'in order, once');

# What ran behind it is not overtaken.
$pair->redis($pair->primary)->command('SCRIPT', 'FLUSH');
$c->raw(batch(['SET', 'k', 1], ['EVALSHA', sha1_hex($incr), 1, 'k', 1],
    ['SET', 'k', 5]));
is_deeply([map { s/ .*//r } map { $c->reply } 1 .. 3],
    ['OK', '-NOSCRIPT', 'OK'], 'a write behind it ran');
is($c->command('GET', 'k'), 5, 'and stays');

like($c->command('EVALSHA', '0' x 40, 0), qr/^-NOSCRIPT/, 'never seen');
like($c->command('EVALSHA', 'x', 0), qr/^-NOSCRIPT/, 'no SHA1');
like($c->command('EVALSHA', sha1_hex($incr), 'x'), qr/^-ERR/, 'no number');
is($c->command('SCRIPT', 'FLUSH'), 'OK', 'SCRIPT FLUSH');
like($c->command('EVALSHA', sha1_hex($incr), 1, 'n', 1), qr/^-NOSCRIPT/,
    'is meant');

# What was loaded both Redis know at any time: inside of MULTI, in one piece or
# not, by way of the other node, and after each of them has restarted.
my $set = 'return redis.call("set", KEYS[1], ARGV[1])';
my $sha = sha1_hex($set);
sub known { $pair->redis($_[0])->command('SCRIPT', 'EXISTS', $sha)->[0] }

is($c->command('SCRIPT', 'LOAD', $set), $sha, 'SCRIPT LOAD');
wait_for('the other Redis to know it',
    sub { known($pair->other($pair->primary)) });
for my $node ('a', 'b') {
	$pair->switchover;
	my $d = $pair->proxy($node)->connect;
	$d->raw(batch(['MULTI'], ['EVALSHA', $sha, 1, 'x', 1], ['EXEC']));
	is_deeply([map { $d->reply } 1 .. 3], ['OK', 'QUEUED', ['OK']],
	    "in one piece, by node $node");
	$d->command(@$_) for ['MULTI'], ['EVALSHA', $sha, 1, 'x', 2];
	is_deeply($d->command('EXEC'), ['OK'], 'and not in one piece');
}
my $replica = $pair->other($pair->primary);
$pair->redis($replica)->child->kill;
$pair->redis($replica)->start;
wait_for('it to know it again', sub { known($replica) });
$pair->steady;
$pair->redis($pair->primary)->child->kill;
wait_for('the other primary', sub { $pair->primary eq $replica });
$c->command(@$_) for ['MULTI'], ['EVALSHA', $sha, 1, 'x', 3];
is_deeply($c->command('EXEC'), ['OK'], 'after a crash');
$pair->redis($pair->other($replica))->start;
$pair->steady;
wait_for('it to know it again', sub { known($pair->other($replica)) });
is($c->command('SCRIPT', 'FLUSH'), 'OK', 'SCRIPT FLUSH');
wait_for('both to have forgotten', sub { !known('a') && !known('b') });

done_testing;
