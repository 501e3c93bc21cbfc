# A unit that looks right may be wrong in many ways that only systemd knows:
# a directory that it may not write, a system call that is filtered, a FIFO
# that keepalived, which is root, and Holdover, which is not, do not share.
#
# Here a node is booted by a real systemd, with Debian's units of keepalived
# and Redis, what "make install" installs, and the samples, as the README has
# it, in namespaces of its own. The peer is not there, so the node is fit and
# takes the VIP.
use strict;
use warnings;
use FindBin;
use Test::More;
use T;

my $top = "$FindBin::Bin/..";
my $build = binary('.');
my @namespaces = qw(unshare -m -p -u -i -n -C --fork --kill-child);

plan skip_all => 'only root can boot a node' if $> != 0;
plan skip_all => 'no systemd or no units of keepalived and Redis'
    if !-x '/lib/systemd/systemd' ||
    !-e '/lib/systemd/system/keepalived.service' ||
    !-e '/lib/systemd/system/redis-server.service';
plan skip_all => 'no libsystemd, or sanitizers, which the filter kills'
    if qx(ldd $build/holdover) !~ /libsystemd/ ||
    qx(ldd $build/holdover) =~ /libasan|libtsan/;
plan skip_all => 'namespaces are not allowed here'
    if system(@namespaces, 'sh', '-c', 'mount -t tmpfs tmpfs /mnt && ' .
    'cd /mnt && mkdir u w r && mount -t overlay overlay r ' .
    '-o lowerdir=/,upperdir=u,workdir=w 2>/dev/null') != 0;

my $root = tmpdir() . '/installed';
system("make -s -C $build install DESTDIR=$root prefix=/usr sysconfdir=/etc " .
    '>/dev/null') == 0 or die "make install failed\n";
for my $unit (glob "$root/lib/systemd/system/*.service " .
    "$root/usr/lib/systemd/system/*.service") {
	write_file($unit, slurp($unit) =~
	    s{/\S+/(bin/holdoverctl|sbin/holdover|etc/holdover/)}{/usr/$1}gr =~
	    s{/usr/etc}{/etc}gr);
}
mkdir "$root/$_" for qw(etc etc/holdover etc/keepalived etc/redis
    etc/systemd etc/systemd/system);
write_file("$root/etc/holdover/holdover.conf", <<'EOT');
cluster shop
node a
vip 10.0.0.10
redis 10.0.0.1:6379
peer b 10.0.0.2:6381
peer-redis 10.0.0.2:6379
peer-secret-file /etc/holdover/secret
admin-unixsocket /run/holdover/admin.sock
vrrp-fifo /run/holdover/vrrp.fifo
vrrp-track-file /run/holdover/vrrp.track
redis-password-file /etc/holdover/redis-password
log-file /var/log/holdover/holdover.log
EOT
write_file("$root/etc/holdover/redis-password", "for-everybody\n", 0644);
write_file("$root/etc/holdover/secret", "not very secret\n", 0600);
write_file("$root/etc/keepalived/keepalived.conf",
    slurp("$top/contrib/keepalived/keepalived-a.conf"));
write_file("$root/etc/redis/redis-holdover.conf",
    slurp("$top/contrib/keepalived/redis-holdover.conf"));
write_file("$root/etc/redis/redis.conf", slurp('/etc/redis/redis.conf') .
    "include /etc/redis/redis-holdover.conf\n");
write_file("$root/etc/systemd/system/node.target", "[Unit]\n" .
    "Wants=holdover.service keepalived.service redis-server.service\n");

my $disk = tmpdir() . '/disk';
mkdir $disk;
my $node = spawn('node', @namespaces, "$top/t/lib/systemd-node", $disk,
    $root, 'node.target');
my $init = wait_for('the first process of the node', sub {
	my ($pid) = split ' ', slurp("/proc/@{[$node->pid]}/task/" .
	    $node->pid . '/children');
	$pid });

# A command on the node; what it printed.
sub on {
	my (@cmd) = @_;
	open my $p, '-|', 'nsenter', '-t', $init, qw(-m -p -n -u -i -C -r -w),
	    @cmd or die "nsenter: $!";
	local $/;
	return scalar(<$p>) // '';
}

sub show { on('systemctl', 'show', '-P', $_[0], 'holdover') =~ s/\n//r }
sub told { my ($k) = @_; on('holdoverctl', 'info') =~ /^$k:(.*?)\r?$/m ? $1 : '' }
sub has_vip { on('ip', '-o', 'addr', 'show', 'dev', 'eth0') =~ / 10\.0\.0\.10\// }

sub comes {
	my ($what, $fn) = @_;
	ok(eval { wait_for($what, $fn, 60); 1 }, $what) or do {
		diag on('systemctl', 'status', '--no-pager', 'holdover',
		    'keepalived');
		diag on('cat', '/var/log/holdover/holdover.log');
	};
}

$ENV{PATH} = '/usr/sbin:/usr/bin:/sbin:/bin';
comes('systemd runs', sub {
	slurp("/proc/$init/comm") eq "systemd\n" && -e
	    "/proc/$init/root/run/systemd/private" });
comes('Holdover is ready', sub { show('ActiveState') eq 'active' });
my $status = slurp("/proc/$init/root/proc/" . show('MainPID') . '/status');
my ($uid) = on('id', '-u', 'holdover') =~ /(\d+)/;
like($status, qr/^Uid:\t$uid\t$uid\t$uid\t$uid$/m, 'as user holdover');
like($status, qr/^$_:\t0+3000$/m, "$_ has two capabilities")
    for qw(CapPrm CapEff CapBnd CapAmb);

# keepalived runs as root: it writes to the FIFO, reads the track file, and
# its check asks by the socket.
comes('keepalived says MASTER by the FIFO', sub { told('vrrp') eq 'MASTER' });
is(told('keepalived'), 'running', 'and is seen to run');
comes('the VIP is here', \&has_vip);
comes('the status line says so', sub { show('StatusText') =~ /VIP here/ });
like(show('After'), qr/\bkeepalived\.service\b/,
    'it is stopped before keepalived');

# Debian's Redis has no password and is in protected mode.
comes('Redis in protected mode is said to deny', sub {
	told('redis_a') =~ /,link=denied,/ });
my @said = on('cat', '/var/log/holdover/holdover.log') =~
    /(refused the control link: DENIED .*)/g;
is(scalar @said, 1, 'once, and it is not asked all the time');
like($said[0], qr/protected-mode no/, 'with the next step');
on('sh', '-c', 'printf "requirepass %s\nmasterauth %s\n" for-everybody ' .
    'for-everybody >>/etc/redis/redis-holdover.conf');
on('systemctl', 'restart', 'redis-server');
comes('with a password it is watched', sub {
	told('redis_a') =~ /^address=10\.0\.0\.1:6379,link=up,role=replica,/ });

# Reload.
on('sh', '-c', 'echo hold-timeout 7s >>/etc/holdover/holdover.conf');
on('systemctl', 'reload', 'holdover');
comes('systemctl reload reads the file', sub {
	on('holdoverctl', 'config', 'get', 'hold-timeout') =~ /\b7s/ });
is(show('ActiveState'), 'active', 'and READY is told again');

# Its death moves the VIP away, and it comes back.
on('systemctl', 'kill', '-s', 'KILL', 'holdover');
comes('killed, it is started again', sub {
	show('NRestarts') > 0 && show('ActiveState') eq 'active' });
comes('and fit again', sub { told('track') eq '3' && has_vip() });

on('systemctl', 'stop', 'holdover');
is(on('cat', '/run/holdover/vrrp.track'), "-254\n",
    'stopped, keepalived is told FAULT');
comes('and gives the VIP up', sub { !has_vip() });
is(show('Result'), 'success', 'it ended well');
ok(-p "/proc/$init/root/run/holdover/vrrp.fifo", 'the FIFO stays');

$node->kill;
done_testing;
