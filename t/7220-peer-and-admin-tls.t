# The link between two Holdovers decides who is the primary; the admin port
# gives orders. By TLS, a certificate that is wrong in any way must keep the
# other end out, and both ends must say what it is; put right, it needs no
# restart.
use strict;
use warnings;
use Test::More;
use T;
use T::Cert;
use T::Pair;

my $ca = T::Cert->ca;
my %cert = (right => $ca->sign(name => 'right'),
    expired => $ca->sign(name => 'expired', expired => 1),
    misnamed => $ca->sign(name => 'misnamed', san => 'DNS:b.example'),
    foreign => T::Cert->ca->sign(name => 'foreign'));
my $port = free_port();
my $pair = T::Pair->new(later => 1, conf => "follow-delay 0\n"
    . "switch-min-gap 0\nprimary-follows-vip no");
my ($a, $b) = map { $pair->proxy($_) } qw(a b);
my %text = map { $_->{name} => slurp("$_->{dir}/holdover.conf") } $a, $b;

sub configure {
	my ($p, @lines) = @_;
	write_file("$p->{dir}/holdover.conf", $text{$p->{name}}
	    . join '', map { "$_\n" } @lines);
}

my @tls = ('peer-tls yes', $cert{right}->conf);
configure($a, @tls, 'admin-tls yes', "admin-port $port");
configure($b, @tls);
$_->start for $a, $b;
$pair->steady;
my $c = $a->connect;
is($c->command('SET', 'k', 1), 'OK', 'a pair by TLS');
$pair->switchover;
is($c->command('GET', 'k'), 1, 'switches');

# ---- the admin port ----

sub cli {
	my (@args) = @_;
	my $command = join ' ', 'redis-cli -p', $port, '--tls --cacert',
	    $ca->cert, @args, '2>&1';
	return scalar qx($command);
}

my @right = ('--cert', $cert{right}->cert, '--key', $cert{right}->key);
is(cli(@right, 'PING'), "PONG\n", 'redis-cli --tls is the console');
like(cli(@right, 'STATUS'), qr/node +a/, 'for long answers too');
unlike(cli('PING'), qr/PONG/, 'not without a certificate');
wait_for('the log to say why', sub { $a->log =~
    /admin: 127\.0\.0\.1:\d+ is refused: peer did not return a certificate/ });
pass('the log says why');
unlike(scalar qx(redis-cli -p $port PING 2>&1 </dev/null), qr/PONG/,
    'nor without TLS');
is($a->admin('PING'), 'PONG', 'the unix socket speaks as ever');

# ---- the peer ----

my %why = (
	expired => ['certificate has expired (CN = expired)',
	    'it says: sslv3 alert certificate expired'],
	misnamed => ['IP address mismatch (CN = misnamed)',
	    'it says: sslv3 alert bad certificate'],
	foreign => ['unable to get local issuer certificate (CN = foreign)',
	    'it says: tlsv1 alert unknown ca'],
);
for my $how (sort keys %why) {
	$b->child->stop;
	configure($b, 'peer-tls yes', $cert{$how}->conf($ca));
	my %from = map { $_ => length $_->log } $a, $b;
	$b->start;
	my ($at_a, $at_b) = @{$why{$how}};
	wait_for("a to say that it is $how", sub { index(substr($a->log,
	    $from{$a}), "TLS with node b failed: its certificate is refused: "
	    . $at_a) >= 0 });
	pass("$how: a says so");
	wait_for("b to say that it is $how", sub {
		index(substr($b->log, $from{$b}), $at_b) >= 0 });
	pass("$how: b says so");
	like($b->admin('STATUS'), qr/^note +TLS (with|from) node a failed/m,
	    "$how: and in STATUS");
	is($b->info->{peer_linked}, 'no', "$how: no link");
	my $log = substr $a->log, $from{$a};
	cmp_ok(scalar(() = $log =~ /TLS \w+ node b failed/g), '<', 5,
	    "$how: it is not said at each try");
	configure($b, @tls);
	is($b->admin('RELOAD'), 'OK', "$how: is put right");
	$pair->steady;
	pass("$how: and the pair is steady");
}

# One speaks TLS, the other does not.
$b->child->stop;
configure($b);
$b->start;
wait_for('a to say that b does not', sub {
	$a->log =~ /TLS with node b failed: it does not speak TLS/ });
pass('one that does not speak TLS is told from one that is away');
$b->child->stop;
configure($b, @tls);
$b->start;
$pair->steady;
is($c->command('INCR', 'k'), 2, 'and all is well again');
done_testing;
