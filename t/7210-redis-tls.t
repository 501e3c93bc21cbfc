# With redis-tls, what is not the Redis that it should be must get nothing: no
# command, no password. Nor is it dead: a certificate that ran out is no reason
# for a failover. Redis is given certificates that are wrong in each way while
# it runs; the log says what is wrong, commands wait, and all goes on when it
# is put right.
use strict;
use warnings;
use Test::More;
use T;
use T::Cert;
use T::Pair;
use T::Proxy;
use T::Redis;

my $ca = T::Cert->ca;
my %cert = (right => $ca->sign(name => 'right'),
    expired => $ca->sign(name => 'expired', expired => 1),
    misnamed => $ca->sign(name => 'misnamed', san => 'DNS:redis.example'),
    foreign => T::Cert->ca->sign(name => 'foreign'));
my $redis = T::Redis->new(tls => $cert{right}, password => 'sesame');
my $ours = $ca->sign(name => 'holdover');
my $password = write_file(tmpdir() . '/password', "sesame\n");
my $proxy = T::Proxy->new(redis => $redis, conf => $ours->conf
    . "redis-tls yes\nredis-password-file $password\nhold-timeout 20s")->open;
my $admin = $proxy->admin_connect;

sub client {
	my $c = $proxy->connect;
	is($c->command('AUTH', 'sesame'), 'OK', 'AUTH');
	return $c;
}

sub redis_cert {
	my ($c) = @_;
	is($redis->command('CONFIG', 'SET', 'tls-cert-file', $c->cert,
	    'tls-key-file', $c->key), 'OK', 'Redis has another certificate');
}

my $c = client();
my $value = join '', map { chr(97 + $_ % 26) } 1 .. 8 * 1024 * 1024;
is($c->command('SET', 'huge', $value), 'OK', '8 MB go in');
ok($c->command('GET', 'huge') eq $value, 'and come back');
$c->raw(join '', map { T::Resp::encode('INCR', 'n') } 1 .. 10_000);
is_deeply([map { $c->reply } 1 .. 10_000], [1 .. 10_000], 'and 10,000 at once');
like($redis->command('CLIENT', 'LIST'), qr/laddr=127.0.0.1:$redis->{tls_port}/,
    'by the TLS port');

my %why = (expired => qr/certificate has expired \(CN = expired\)/,
    misnamed => qr/IP address mismatch \(CN = misnamed\)/,
    foreign => qr/unable to get local issuer certificate \(CN = foreign\)/);
for my $how (sort keys %why) {
	redis_cert($cert{$how});
	my $from = length $proxy->log;
	$redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
	my $said = wait_for("the log to say that it is $how", sub {
		(substr($proxy->log, $from) =~
		/(warning: redis: TLS with \S+ failed: .*\n)/)[0] });
	like($said, $why{$how}, "the log says that it is $how");
	is(() = substr($proxy->log, $from) =~ /TLS with \S+ failed/g, 1,
	    'once');
	like($admin->command('STATUS'), qr/^note .*TLS with .*$why{$how}/m,
	    'and so does STATUS');
	my $waiting = $proxy->connect;
	$waiting->send('AUTH', 'sesame')->send('INCR', 'n');
	ok(!$waiting->readable(0.3), 'a command waits');
	redis_cert($cert{right});
	is($waiting->reply, 'OK', 'and goes on when it is right again');
	like($waiting->reply, qr/^\d+$/, 'as it should');
}

# Names need not be right where the operator says so.
redis_cert($cert{misnamed});
is($admin->command('CONFIG', 'SET', 'tls-verify-names', 'no'), 'OK',
    'CONFIG SET tls-verify-names no');
$redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
is(client()->command('PING'), 'PONG', 'a certificate by another name will do');
redis_cert($cert{right});

# Redis wants a certificate too, and does not like ours.
is($admin->command('CONFIG', 'SET', 'tls-cert-file', $cert{foreign}->cert,
    'tls-key-file', $cert{foreign}->key), 'OK', 'ours is of another CA');
my $from = length $proxy->log;
$redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
like(wait_for('the log to say why', sub {
	(substr($proxy->log, $from) =~ /(redis: TLS with .*\n)/)[0] }),
    qr/failed: it says: tlsv1 alert unknown ca/, 'Redis does not want it');
is($admin->command('CONFIG', 'SET', 'tls-cert-file', $ours->cert,
    'tls-key-file', $ours->key), 'OK', 'ours is right again');
is(client()->command('PING'), 'PONG', 'and all goes on');

# A Redis that is dead is known to be.
$redis->child->kill;
wait_for('it to be known', sub {
	$proxy->log =~ /redis: link to \S+ is refused/ });
pass('a connection that is refused is told from one that fails');
$redis->start;
is(client()->command('PING'), 'PONG', 'it is back');

# ---- a pair ----

my $pair = T::Pair->new(redis_tls => $cert{right}, conf => $ours->conf
    . "redis-tls yes\nfollow-delay 0\nswitch-min-gap 0\n"
    . "primary-follows-vip no\n");
my $p = $pair->proxy('a')->connect;
is($p->command('SET', 'k', 1), 'OK', 'a pair');
$pair->switchover for 1 .. 2;
is($p->command('GET', 'k'), 1, 'switches, there and back');
my $primary = $pair->primary;
$pair->redis($primary)->child->kill;
is($p->command('INCR', 'k'), 2, 'and fails over');
done_testing;
