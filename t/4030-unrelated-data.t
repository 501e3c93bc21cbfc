# Two Redis with data of their own are made a pair, by mistake or because a
# split went on for long. Whoever is made the replica loses everything, and
# scripts did that to one of them by chance. Here neither is touched until
# an operator has said which to keep; what is given up is saved first.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;
use T::Redis;

my $pair = T::Pair->new(later => 1, fence => 0);
$pair->redis('a')->command('SET', "a$_", 'a') for 1 .. 20;
my @odd = (
    ['string', ['SET', 'string', "\0\xff\r\n" x 9000, 'EX', 1000],
    'GET', 'string'],
    ['list', ['RPUSH', 'list', 1 .. 500], 'LRANGE', 'list', 0, -1],
    ['hash', ['HSET', 'hash', 1 .. 500], 'HGETALL', 'hash'],
    ['set', ['SADD', 'set', 1 .. 50], 'SMEMBERS', 'set'],
    ['sorted set', ['ZADD', 'sorted set', 1 .. 500],
    'ZRANGE', 'sorted set', 0, -1, 'WITHSCORES'],
    ['stream', ['XADD', 'stream', '1-1', 'f', 'v'],
    'XRANGE', 'stream', '-', '+'],
);
my %odd;
for (@odd) {
	my ($key, $make, @ask) = @$_;
	$pair->redis('a')->command(@$make);
	$odd{$key} = $pair->redis('a')->command(@ask);
}
$pair->redis('a')->command('FUNCTION', 'LOAD', "#!lua name=l\n" .
    "redis.register_function{function_name='f', flags={'no-writes'}, " .
    "callback=function() return 'yes' end}");
my $other_db = $pair->redis('a')->connect;
$other_db->command('SELECT', 5);
$other_db->command('SET', 'elsewhere', 'too');
$pair->redis('b')->command('SET', "b$_", 'b') for 1 .. 30;
$pair->start;

for my $n (qw(a b)) {
	$pair->proxy($n)->wait_info(why => qr/own|lead/);
	is($pair->proxy($n)->info->{gate} =~ /^(closed|hold-all)$/, 1,
	    "$n: the gate holds");
}
my $leader = $pair->leader;
like($pair->proxy($leader)->admin('STATUS'),
    qr/27 keys on a, 30 on b.*PROMOTE NODE ACCEPT-LOSS/,
    'the leader says what is wrong, and which command decides');
like($pair->proxy($pair->other($leader))->admin('STATUS'),
    qr/PROMOTE NODE ACCEPT-LOSS/, 'and so does the other');
is($pair->redis('a')->command('DBSIZE'), 26, 'a is kept');
is($pair->redis('b')->command('DBSIZE'), 30, 'b is kept');

is($pair->proxy('a')->admin('PROMOTE', 'b', 'ACCEPT-LOSS'), 'OK',
    'an operator chooses b');
$pair->steady;
is($pair->primary, 'b', 'which is the primary');
is($pair->redis('a')->command('DBSIZE'), 30, 'and was copied');

# What a had is there as a file, whatever kind of data it was.
my ($file, @more) = $pair->salvaged('a');
ok($file && !@more, 'the data of a was saved');
is((stat $file)[2] & 0777, 0600, 'for nobody else to read');
is($pair->proxy($pair->leader)->info->{salvaged}, 1, 'and counted');
my $saved = T::Redis->new(name => 'saved', rdb => $file);
is($saved->command('DBSIZE'), 20 + @odd, 'all of it');
is($saved->command('GET', 'a20'), 'a', 'with its values');
for (@odd) {
	my ($key, undef, @ask) = @$_;
	is_deeply($saved->command(@ask), $odd{$key}, "a $key");
}
is($saved->command('FCALL', 'f', 0), 'yes', 'a function');
my $ttl = $saved->command('TTL', 'string');
ok($ttl > 900 && $ttl <= 1000, 'a time to live');
my $c = $saved->connect;
$c->command('SELECT', 5);
is($c->command('GET', 'elsewhere'), 'too', 'another database');

done_testing;
