# Many clients' commands go over one connection to Redis. What one client
# has told Redis about itself, user, database, protocol, name, must not show
# to another, and no client may get another's answer.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new(conf => "user reader on >pr ~r:* +\@read +select\n"
    . "user writer on >pw ~* +\@all\n");
my $proxy = T::Proxy->new(redis => $redis, conf => "workers 1\n")->open;
my $direct = $redis->connect;
my @c = map { $proxy->connect } 1 .. 20;

# Sharing: twenty clients, one connection.
$_->command('SET', 'k', 'v') for @c;
is($proxy->info->{links_shared}, 1, 'twenty clients share one connection');
is($proxy->info->{links_own}, 0, 'none has its own');

# Each gets its own answers, in order, whatever comes in between.
for my $round (1 .. 20) {
	$c[$_]->raw(join '', map { T::Resp::encode('SET', "k:$_", $_),
	    T::Resp::encode('GET', "k:$_") } $_ * 100 .. $_ * 100 + 9)
	    for 0 .. $#c;
	my $wrong = 0;
	for my $i (0 .. $#c) {
		for my $k ($i * 100 .. $i * 100 + 9) {
			$wrong++ if $c[$i]->reply ne 'OK';
			$wrong++ if $c[$i]->reply ne $k;
		}
	}
	is($wrong, 0, "round $round: all answers are right") if $wrong ||
	    $round == 20;
}

# Database.
my ($zero, $one) = @c;
is($one->command('SELECT', 1), 'OK', 'SELECT 1');
is($one->command('SET', 'in', 'one'), 'OK', 'written there');
is($zero->command('GET', 'in'), undef, 'another is still in 0');
is($direct->command('GET', 'in'), undef, 'it is not in 0');
like($one->command('SELECT', 99), qr/^-ERR DB index is out of range/,
    'SELECT of none');
is($one->command('GET', 'in'), 'one', 'changes nothing');
is($proxy->info->{links_own}, 0, 'SELECT pins nobody');

# Protocol.
my ($two, $three) = @c[2, 3];
$three->command('HELLO', 3);
$direct->command('HSET', 'h', 'f', 'v');
is($three->send('HGETALL', 'h')->reply_bytes,
    "%1\r\n\$1\r\nf\r\n\$1\r\nv\r\n", 'RESP3 after HELLO 3');
is($two->send('HGETALL', 'h')->reply_bytes,
    "*2\r\n\$1\r\nf\r\n\$1\r\nv\r\n", 'RESP2 for others');

# Name.
my ($named, $nameless) = @c[4, 5];
is($named->command('CLIENT', 'SETNAME', 'me'), 'OK', 'CLIENT SETNAME');
is($nameless->command('CLIENT', 'GETNAME'), undef, 'is the client\'s alone');
is($named->command('CLIENT', 'GETNAME'), 'me', 'and is kept');
isnt($named->command('CLIENT', 'ID'), $nameless->command('CLIENT', 'ID'),
    'CLIENT ID differs');

# User.
my ($reader, $writer, $plain) = @c[6, 7, 8];
is($reader->command('AUTH', 'reader', 'pr'), 'OK', 'AUTH as reader');
is($writer->command('AUTH', 'writer', 'pw'), 'OK', 'AUTH as writer');
is($reader->command('ACL', 'WHOAMI') =~ /^-NOPERM/, 1,
    'reader has its own rights');
is($writer->command('ACL', 'WHOAMI'), 'writer', 'writer is writer');
is($plain->command('ACL', 'WHOAMI'), 'default', 'others stay default');
like($reader->command('SET', 'r:1', 1), qr/^-NOPERM/, 'reader cannot write');
is($writer->command('SET', 'r:1', 1), 'OK', 'writer can');
like($writer->command('AUTH', 'writer', 'no'), qr/^-WRONGPASS/,
    'a wrong password is refused by Redis');
is($writer->command('ACL', 'WHOAMI'), 'writer', 'and changes nothing');
like($plain->command('HELLO', 3, 'AUTH', 'writer', 'bad'), qr/^-WRONGPASS/,
    'so in HELLO');
is($plain->command('ACL', 'WHOAMI'), 'default', 'still default');

# All in one write, each command as who its client is by then.
$plain->raw(join '', map { T::Resp::encode(@$_) } ['ACL', 'WHOAMI'],
    ['AUTH', 'writer', 'pw'], ['ACL', 'WHOAMI'], ['SELECT', 2],
    ['SET', 'two', 2], ['AUTH', 'reader', 'pr'], ['GET', 'two'],
    ['RESET'], ['ACL', 'WHOAMI'], ['GET', 'two'], ['PING']);
is_deeply([map { $plain->reply =~ s/^(-\w+).*/$1/r } 1 .. 9], ['default',
    'OK', 'writer', 'OK', 'OK', 'OK', '-NOPERM', 'RESET', 'default'],
    'a pipeline of sessions');
is($plain->reply, undef, 'RESET leads back to database 0');
is($plain->reply, 'PONG', 'and on');

# An account deleted takes its own connections along, nobody else's.
is($reader->command('GET', 'r:1'), 1, 'reader reads');
$direct->command('ACL', 'DELUSER', 'reader');
my $got = eval { $reader->command('GET', 'r:1') } // '-closed';
like($got, qr/^-(closed|WRONGPASS|NOPERM|INDOUBT)/,
    'its deleted user reads no more');
is($writer->command('GET', 'r:1'), 1, 'the writer goes on');
is($zero->command('GET', 'r:1'), 1, 'and so does everybody else');

# What Holdover answers by itself is no less guarded than in Redis.
$direct->command('ACL', 'SETUSER', 'little', 'on', '>pw', '~*', '+get');
my $little = $proxy->connect;
is($little->command('AUTH', 'little', 'pw'), 'OK', 'a user with few rights');
my $victim = $writer->command('CLIENT', 'ID');
for (['LIST'], ['ID'], ['INFO'], ['GETNAME'], ['SETNAME', 'x'],
    ['KILL', 'ID', $victim], ['KILL', '127.0.0.1:1'], ['UNBLOCK', $victim]) {
	like($little->command('CLIENT', @$_), qr/^-NOPERM/, "CLIENT @$_");
}
is($writer->command('PING'), 'PONG', 'and nobody was harmed');

# A server that wants a password asks each client for it, also when it is
# only told so while everything runs.
my ($in, $out) = map { $proxy->connect } 1 .. 2;
is($out->command('GET', 'r:1'), 1, 'no password is asked for');
$direct->command('CONFIG', 'SET', 'requirepass', 'secret');
is($in->command('AUTH', 'secret'), 'OK', 'AUTH');
is($in->command('GET', 'r:1'), 1, 'who has it may read');
wait_for('NOAUTH', sub { $proxy->command('GET', 'k') =~ /^-NOAUTH/ });
like($out->command('GET', 'k'), qr/^-NOAUTH/, 'no password, no key');
wait_for('NOAUTH', sub { $out->command('HELLO', 2) =~ /^-NOAUTH/ });
like($out->command('CLIENT', @$_), qr/^-NOAUTH/, "nor CLIENT @$_")
    for ['LIST'], ['KILL', 'SKIPME', 'yes'];
is($in->command('GET', 'r:1'), 1, 'the other still reads');

done_testing;
