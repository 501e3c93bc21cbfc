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
is($proxy->info->{scripts_shown}, 2, 'they were shown again');
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

done_testing;
