# A unix socket serves as a port does, alone or beside others; its file has
# the permissions it should from the first moment, takes the place of one left
# behind, and of nothing else.
use strict;
use warnings;
use Test::More;
use T;
use T::Proxy;
use T::Redis;

my $redis = T::Redis->new;
my $path = tmpdir() . '/redis.sock';
my $proxy = T::Proxy->new(redis => $redis, conf => "unixsocket $path")->open;
my $c = T::Resp->new($path);
is($c->command('SET', 'k', 'x' x 1_000_000), 'OK', 'SET');
is($c->command('GET', 'k'), 'x' x 1_000_000, 'GET');
is($proxy->command('GET', 'k'), 'x' x 1_000_000, 'beside a port');
like($c->command('CLIENT', 'INFO'),
    qr{ addr=\Q$path\E:0 laddr=\Q$path\E:0 .* flags=U },
    'CLIENT INFO is as in Redis');
is((stat $path)[2] & 07777, 0700, 'for its user only');
my $half = T::Resp->new($path);
$half->send('PING')->half_close;
is($half->reply, 'PONG', 'half closed');
ok($half->closed, 'and closed');

# A second instance must not take it away.
my $conf = write_file(tmpdir() . '/second.conf', "unixsocket $path\n"
    . "redis 127.0.0.1:@{[$redis->port]}\nadmin-port 0\n");
my $said = qx(@{[binary('holdover')]} $conf 2>&1);
is($? >> 8, 1, 'a second one does not start');
like($said, qr/unixsocket: cannot listen for clients at \Q$path\E: .*in use/,
    'and says why');
is($c->command('PING'), 'PONG', 'the first goes on');

# Killed, it leaves the file behind.
$proxy->child->kill;
ok(-S $path, 'the file is still there');
$proxy->start->open;
is(T::Resp->new($path)->command('PING'), 'PONG', 'it is taken over');
$proxy->child->stop;
ok(!-e $path, 'an orderly end removes it');
write_file($path, "precious\n");
$said = qx(@{[binary('holdover')]} $conf 2>&1);
is($? >> 8, 1, 'a file that is no socket is in the way');
is(slurp($path), "precious\n", 'and stays');
unlink $path;

# Alone.
my $alone = spawn('alone', binary('holdover'), $conf, '--unixsocketperm',
    '770');
$c = wait_for('it to serve', sub { eval { T::Resp->new($path) } });
is($c->command('PING'), 'PONG', 'a unix socket and nothing else');
is((stat $path)[2] & 07777, 0770, 'with its permissions');
$alone->stop;

for ([['unixsocketperm', '888'], qr/'888' is no octal number from 0 to 777/],
    [['unixsocket', '/' . 'x' x 200], qr/is too long for a unix socket/]) {
	my ($words, $why) = @$_;
	$said = qx(@{[binary('holdover')]} $conf --$words->[0] $words->[1] 2>&1);
	like($said, $why, "$words->[0] is refused");
}
done_testing;
