# A proxy that frames wrongly, or answers by itself what Redis answers, shows
# in the bytes. The same requests go to Redis directly and through Holdover:
# the answers must be the same bytes, whole or one byte at a time.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
# A twin, so that both see the same requests once.
my $twin = T::Redis->new;
my $proxy = T::Proxy->new(redis => $twin)->open;

my @requests = (
	['PING'], ['PING', 'hello'], ['ECHO', ''], ['SET', 'k', 'v'],
	['GET', 'k'], ['GET', 'none'], ['SET', 'bin', "\0\r\n\xff"],
	['GET', 'bin'], ['DEL', 'k', 'bin'], ['INCR', 'n'], ['INCRBY', 'n'],
	['RPUSH', 'l', 1, 2, 3], ['LRANGE', 'l', 0, -1], ['TYPE', 'l'],
	['LPOP', 'l', 2], ['HSET', 'h', 'f', 'v'], ['HGETALL', 'h'],
	['EVAL', 'return {1,{2,"x"},redis.error_reply("E x")}', 0],
	['EVAL', 'return redis.call("NOSUCH")', 0], ['NOSUCH', 'x'],
	['GET'], ['SET', 'big', 'x' x 100_000], ['GET', 'big'],
	['MULTI'], ['INCR', 'n'], ['GET', 'n'], ['EXEC'],
	['MULTI'], ['NOSUCH'], ['EXEC'], ['EXEC'], ['MULTI'], ['DISCARD'],
	['OBJECT', 'ENCODING', 'l'], ['CONFIG', 'GET', 'maxmemory-policy'],
	['SELECT', 3], ['DBSIZE'], ['SELECT', 99], ['SELECT', 0],
	['CLIENT', 'SETNAME', 'me'], ['CLIENT', 'GETNAME'],
	['CLIENT', 'SETNAME', 'not me'], ['CLIENT', 'NOSUCH'],
	['CLIENT', 'SETNAME', ''], ['CLIENT', 'GETNAME'],
	(map { ['CLIENT', 'KILL', @$_] } [], ['no:1'], ['ID', 10, 'x'],
	    ['ID', 'x'], ['ID', 0], ['ID', 1 << 40], ['TYPE', 'x'],
	    ['USER', 'nobody'], ['SKIPME', 'x'], ['LADDR', 'no:1']),
	(map { ['CLIENT', 'LIST', @$_] } ['x'], ['TYPE', 'x'], ['ID', 'x'],
	    ['ID', 1 << 40], ['TYPE', 'replica']),
	(map { ['CLIENT', 'UNBLOCK', @$_] } ['x'], [1 << 40],
	    [1 << 40, 'x'], [1 << 40, 'ERROR']),
	['WAIT', 0, 10], ['FLUSHALL'],
);

for my $proto (2, 3) {
	my ($direct, $through) = ($redis->connect, $proxy->connect);
	$_->command('HELLO', $proto) for $direct, $through;
	for my $r (@requests) {
		my $want = $direct->send(@$r)->reply_bytes;
		my $got = $through->send(@$r)->reply_bytes;
		is($got, $want, "RESP$proto: " . substr "@$r", 0, 40);
	}
}

# Of a client's line most is of Holdover, but it reads like that of Redis 7.0;
# others have other fields, and count some of them differently.
my $seven = $redis->info->{redis_version} =~ /^7\.0\./;
my @same = (qw(db sub psub multi obl oll omem events cmd user redir flags name),
    $seven ? qw(ssub resp qbuf) : ());
for my $proto (2, 3) {
	my ($want, $got) = map {
		$_->command('HELLO', $proto);
		$_->command('CLIENT', 'SETNAME', 'me');
		$_->command('SELECT', 2);
		my ($type, $line) = $_->send('CLIENT', 'INFO')->reply_bytes
		    =~ /^(.)\d+\r\n(?:txt:)?(.*)\n\r\n$/ or die;
		my %field = map { split /=/, $_, 2 } split / /, $line;
		{ type => $type, names => [$seven ? map { s/=.*//r }
		    split / /, $line : ()], map { $_ => $field{$_} } @same } } $redis->connect,
	    $proxy->connect;
	my @more = splice @{$got->{names}}, @{$want->{names}};
	is("@more", $seven ? 'lib-name lib-ver' : '',
	    "RESP$proto: CLIENT INFO has only fields that clients know");
	is_deeply($got, $want, "RESP$proto: CLIENT INFO");
}

# Of a batch all is compared that comes up to its end.
sub same_batch {
	my ($name, $bytes, @connections) = @_;
	my ($want, $got) = map {
		$_->raw($bytes . T::Resp::encode('ECHO', 'end'));
		my $all = '';
		$all .= $_->reply_bytes while $all !~ /end\r\n$/;
		$all } @connections;
	is($got, $want, $name);
}
my @off = ['CLIENT', 'REPLY', 'OFF'];
my @on = ['CLIENT', 'REPLY', 'ON'];
my @skip = ['CLIENT', 'REPLY', 'SKIP'];
my @silence = (
	[@off, ['INCR', 'n'], ['GET', 'n'], ['NOSUCH'], @on, ['GET', 'n']],
	[['GET', 'n'], @skip, ['GET', 'n'], ['INCR', 'n'], @skip, ['NOSUCH'],
	    @skip, @skip, ['PING', 1], ['PING', 2]],
	[@skip, @on, @off, @skip, ['PING'], ['PING'], @on, @on],
	[@skip, ['MULTI'], ['INCR', 'n'], ['EXEC'], @off, ['MULTI'],
	    ['INCR', 'n'], ['EXEC'], @on, ['GET', 'n']],
	[@off, ['CLIENT', 'REPLY', 'x'], ['CLIENT', 'REPLY'], @on,
	    ['CLIENT', 'REPLY', 'x'], ['CLIENT', 'REPLY'],
	    ['CLIENT', 'REPLY', 'ON', 'x']],
	[@off, ['HELLO', 3], ['INFO'], ['CLIENT', 'SETNAME', 'x'],
	    ['CLIENT', 'LIST'], ['SELECT', 1], ['GET', 'n'], ['RESET'],
	    ['GET', 'n']],
	[@off, ['SUBSCRIBE', 'a', 'b'], ['SUBSCRIBE'], ['UNSUBSCRIBE', 'a'],
	    ['UNSUBSCRIBE'], @on],
	[@off, ['SET', 'big', 'x' x 100_000], ['GET', 'big'],
	    ['GET', 'big'], @on, ['STRLEN', 'big'], @skip, ['GET', 'big'],
	    ['STRLEN', 'big']],
);
for my $i (0 .. $#silence) {
	same_batch("CLIENT REPLY $i", join('', map { T::Resp::encode(@$_) }
	    @{$silence[$i]}), $redis->connect, $proxy->connect);
}

for my $line ("PING", "SET a 'b c'", 'SET q "\x41\n"', "GET q", "", "   ",
    "GET a") {
	my ($direct, $through) = ($redis->connect, $proxy->connect);
	my $request = "$line\r\nPING end\r\n";
	my ($want, $got) = map {
		$_->raw($request);
		my $all = '';
		$all .= $_->reply_bytes while $all !~ /end/;
		$all } $direct, $through;
	is($got, $want, "inline: $line");
}

for my $bad ("*x\r\n", "*1\r\n+x\r\n", "*1\r\n\$x\r\n", "*1\r\n\$-5\r\n",
    "*3000000000\r\n", "SET 'x\r\n", "*1\r\n\$600000000000\r\n",
    "*2\r\n\$3\r\nGET\r\n:1\r\n") {
	my ($want, $got) = map {
		$_->raw("*1\r\n\$4\r\nPING\r\n$bad");
		my $all = $_->reply_bytes . $_->reply_bytes;
		ok($_->closed, 'closed after it');
		$all } $redis->connect, $proxy->connect;
	is($got, $want, 'protocol error: ' . $bad =~ s/\r\n/ /gr);
}

my $c = $proxy->connect;
my $all = join '', map { T::Resp::encode(@$_) } ['SET', 'one', 'x' x 50],
    ['GET', 'one'], ['LRANGE', 'none', 0, -1];
$c->raw($_) for split //, $all;
is_deeply([map { $c->reply } 1 .. 3], ['OK', 'x' x 50, []],
    'one byte at a time');

my $n = 10_000;
$c->raw(join '', map { T::Resp::encode('SET', "p:$_", $_),
    T::Resp::encode('GET', "p:$_") } 1 .. $n);
my $wrong = 0;
for my $i (1 .. $n) {
	$wrong++ if $c->reply ne 'OK';
	$wrong++ if $c->reply ne $i;
}
is($wrong, 0, "$n pairs in one write are answered in order");

my $value = join '', map { chr(97 + $_ % 26) } 1 .. 8 * 1024 * 1024;
is($c->command('SET', 'huge', $value), 'OK', '8 MB go in');
ok($c->command('GET', 'huge') eq $value, 'and come back');

$c = $proxy->connect;
$c->send('GET', 'one')->half_close;
is($c->reply, 'x' x 50, 'a client that closed its side gets its answer');
ok($c->closed, 'and is closed then');

done_testing;
