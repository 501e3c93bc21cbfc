# holdoverctl ends with 0 only when the thing was done: scripts, and
# keepalived, go by that.
use strict;
use warnings;
use Test::More;
use T;
use T::Pair;

my $ctl = binary('holdoverctl');
my $dir = tmpdir();
my $pair = T::Pair->new(conf => "vrrp-instance VI_1\n");
my $proxy = $pair->proxy('a');
my $port = free_port();

# Its output, both kinds, and its exit status.
sub ctl {
	my $pid = open my $p, '-|';
	if ($pid == 0) {
		open STDERR, '>&', \*STDOUT;
		exec $ctl, @_ or POSIX::_exit(127);
	}
	local $/;
	my $out = <$p> // '';
	close $p;
	return ($out, $? >> 8);
}

sub run_ok {
	my ($status, $want, $name, @args) = @_;
	my ($out, $got) = ctl(@args);
	is($got, $status, "$name: status $status");
	like($out, $want, "$name: what it says");
}

my @on = ('-s', $proxy->{socket});

run_ok(0, qr/\Ausage: .*Exit status: 0 it was done, 1 .*2 .*3 /s, '--help',
    '--help');
run_ok(0, qr/\Aholdoverctl \d+\.\d/, '--version', '--version');
run_ok(0, qr/^OK$/, 'check', @on, 'check');
run_ok(0, qr/^pair +test, node a is /, 'status', @on, 'status');
run_ok(0, qr/^gate:open\r?$/m, 'info pair', @on, qw(info pair));
run_ok(0, qr/^hold-timeout\n10s$/, 'config get', @on, qw(config get hold-ti*));
run_ok(0, qr/^SWITCHOVER  \(operator\)\n    make /m, 'help', @on, 'help');

run_ok(0, qr/^OK$/, 'notify', @on, qw(notify INSTANCE VI_1 MASTER 100));
$proxy->wait_info(vrrp => 'MASTER');
is($proxy->info->{priority}, 100, 'notify has arrived');
run_ok(0, qr/^OK$/, 'notify BACKUP', @on,
    qw(notify INSTANCE VI_1 BACKUP 90));
$proxy->wait_info(vrrp => 'BACKUP');
run_ok(1, qr/^ERR 'VI_2' is not the instance/, 'notify of another', @on,
    qw(notify INSTANCE VI_2 MASTER 100));
run_ok(1, qr/^ERR this cannot be understood/, 'notify of nonsense', @on,
    qw(notify INSTANCE VI_1 LORD 100));

my $from = $pair->primary;
run_ok(0, qr/^OK$/, 'switchover', @on, 'switchover');
is($pair->redis($pair->other($from))->info->{role}, 'master',
    'is answered when it is done');
$pair->steady;
$pair->redis($from)->child->signal('STOP');
$proxy->wait_info(fresh => $pair->other($from));
run_ok(1, qr/^ERR the copy of node $from is not fresh/, 'one that cannot be',
    @on, 'switchover');
$pair->redis($from)->child->signal('CONT');
$pair->steady;
run_ok(1, qr/^ERR .*not clear who holds the VIP/, 'handover without a VIP',
    @on, 'handover');
my $holder = $pair->primary;
my @at = ('-s', $pair->proxy($holder)->{socket});
$pair->proxy($holder)->admin(qw(NOTIFY INSTANCE VI_1 MASTER 100));
$pair->proxy($holder)->wait_info(vrrp => 'MASTER');
if ($holder eq 'b') {
	$pair->proxy('a')->admin(qw(NOTIFY INSTANCE VI_1 FAULT 100));
	$pair->proxy('a')->wait_info(vrrp => 'FAULT');
}
wait_for('the leader to know', sub { (ctl(@at, 'handover'))[0] !~ /clear/ });
run_ok(1, qr/^ERR the other node is not ready to take the VIP/,
    'handover to a node whose keepalived is not in BACKUP', @at, 'handover');
is($pair->primary, $holder, 'and the primary has not gone before');
run_ok(1, qr/^ERR unknown command/, 'no such verb', @on, 'frobnicate');
run_ok(1, qr/^ERR the syntax is PROMOTE NODE/, 'too few words', @on,
    'promote');
run_ok(1, qr/^ERR port cannot change/, 'config set', @on,
    qw(config set port 1));

run_ok(2, qr/cannot connect to \S*nowhere: No such file/, 'no socket', '-s',
    "$dir/nowhere", 'check');
run_ok(2, qr/cannot connect to 127.0.0.1 port $port: Connection refused/,
    'nobody listens', '-p', $port, 'check');
my $begin = now();
$proxy->child->signal('STOP');
run_ok(2, qr/^holdoverctl: no answer: /, 'a frozen Holdover', @on, 'check');
run_ok(2, qr/^holdoverctl: no answer: /, '-t', @on, '-t', '100ms', 'status');
$proxy->child->signal('CONT');
cmp_ok(now() - $begin, '<', 10, 'neither takes long');

run_ok(3, qr/^usage: /m, "wrong usage: @$_", @$_) for [], [@on], ['-x'],
    ['-p', 'x', 'check'], ['-p', 70000, 'check'], ['-t', 'soon', 'check'],
    [@on, '-h', '127.0.0.1', 'check'];
run_ok(3, qr/nowhere: No such file/, 'no password file', @on, '-a',
    "$dir/nowhere", 'status');
write_file("$dir/empty", "\n");
run_ok(3, qr/empty has no password in its first line/, 'an empty one', @on,
    '-a', "$dir/empty", 'status');

# A stream goes on until the other end closes.
my $pid = open my $events, '-|', $ctl, @on, 'events';
is(scalar <$events>, "OK\n", 'events');
$proxy->admin('PAUSE', 'WRITE', '1s');
my $line;
1 while defined($line = <$events>) && $line !~ /PAUSE WRITE/;
ok(defined $line, 'an event comes');
$proxy->child->stop;
1 while defined($line = <$events>);
close $events;
is($? >> 8, 2, 'the stream was broken off');

done_testing;
