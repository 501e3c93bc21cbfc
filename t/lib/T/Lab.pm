package T::Lab;
#
# Two nodes and a client on a network of their own: each node with real
# keepalived, redis-server and Holdover, configured by the very files in
# contrib/keepalived. A node is a network, mount and PID namespace, so that
# killing it is one kill, and nothing is left behind even if this process is
# killed.
#
#	my $lab = T::Lab->new(conf => { 'follow-delay' => '1s' });
#	$lab->start;
#	$lab->wait_steady;
#	$lab->crash_node($lab->vip_holder);
#
# new(mode => 'loopback') makes the same pair without namespaces, keepalived
# and VIP: what is left for those who may not make namespaces.
#
use strict;
use warnings;
use Carp qw(croak);
use Cwd qw(abs_path);
use Errno qw(EINTR);
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path remove_tree);
use File::Temp qw(tempdir);
use IO::Socket::UNIX;
use JSON::PP;
use POSIX qw(:sys_wait_h);
use T::Port;
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);
use Time::HiRes qw(time);

my $top = abs_path(dirname(abs_path(__FILE__)) . '/../../..');
my $json = JSON::PP->new->canonical;
my %lab;		# all that live, by address, for END and signals

my %address = (a => '10.0.0.1', b => '10.0.0.2', client => '10.0.0.100',
    vip => '10.0.0.10');
my $vip6 = 'fd00::10';

sub top { $top }
sub build { $ENV{HOLDOVER_BUILD} || $top }
sub other { $_[1] eq 'a' ? 'b' : 'a' }

# ---- may it run here? ----

sub program
{
	my ($name) = @_;
	my ($path) = grep { -x } map { "$_/$name" }
	    split(/:/, $ENV{PATH} // ''), '/usr/sbin', '/sbin', '/usr/bin';
	return $path;
}

# Why there can be no lab here; undef when there can. Without root, the
# caller starts again as root of a user namespace of its own, where that is
# allowed: so call this before anything else.
sub why_not
{
	my ($class) = @_;

	for (qw(redis-server keepalived ip unshare nsenter mount)) {
		return "no $_ here" unless program($_);
	}
	return 'no holdover in ' . build() . ' (set HOLDOVER_BUILD)'
	    unless -x build() . '/holdover' && -x build() . '/holdoverctl';
	return why_no_namespaces();
}

sub why_no_namespaces
{
	if ($> != 0 && !$ENV{T_LAB_USERNS}) {
		$ENV{T_LAB_USERNS} = 1;
		return 'not root, and no user namespaces here'
		    if system('unshare -Ur true 2>/dev/null') != 0;
		exec 'unshare', '-Ur', $^X, (map { "-I$_" } grep { !ref } @INC),
		    $0, @ARGV or return "unshare: $!";
	}
	return 'network, mount and PID namespaces are not allowed here'
	    if system('unshare -n -m -p --fork --kill-child sh -c "mount -t '
	    . 'tmpfs tmpfs /run && mount -t proc proc /proc && ip link add '
	    . 'x type bridge && ip link add y type veth" >/dev/null 2>&1') != 0;
	return undef;
}

# ---- life ----

# conf: further lines of holdover.conf; holdover => 0: keepalived and Redis
# alone; keepalived => 0: Holdover and Redis alone; fifo => 0: keepalived
# runs notify scripts instead; sync_group => 1: its instance is in a group;
# keep => 1: the folder stays; quiet => 1: no word about where it is;
# ipv6 => 1: the VIP is an IPv6 address;
# through => [program, ...]: what starts Holdover
sub new
{
	my ($class, %opt) = @_;
	my $self = bless { mode => 'netns', holdover => 1, keepalived => 1,
	    fifo => 1, boots => 0, conf => {}, %opt, owner => $$,
	    node => {} }, $class;

	$self->{dir} = tempdir("holdover-lab-$$-XXXX", TMPDIR => 1);
	chmod 0755, $self->{dir};
	$self->{addr} = $self->netns ? { %address,
	    $opt{ipv6} ? (vip => $vip6) : () } :
	    { map { $_ => '127.0.0.1' } keys %address };
	$self->write_file("$self->{dir}/secret", join('', map {
	    sprintf '%02x', int rand 256 } 1 .. 32) . "\n", 0600);
	$lab{$self} = $self;
	require Scalar::Util;
	Scalar::Util::weaken($lab{$self});
	return $self;
}

# Options of new() that are known only later; before start().
sub set
{
	my ($self, %opt) = @_;
	%$self = (%$self, %opt);
}

sub netns { $_[0]{mode} eq 'netns' }
sub dir { $_[0]{dir} }
sub address { $_[0]{addr}{$_[1]} }
sub nodes { qw(a b) }

sub start
{
	my ($self) = @_;

	if ($self->netns) {
		$self->_init('switch');
		$self->_ip('switch', qw(link add br0 type bridge stp_state 0
		    forward_delay 0 mcast_snooping 0));
		$self->_ip('switch', qw(link set br0 up));
		$self->_init('client');
		$self->_plug('client');
	} else {
		$self->{port}{$_} = { map { $_ => free_port() }
		    qw(redis client peer admin) } for $self->nodes;
		$self->_init('client');
	}
	$self->boot_node($_) for $self->nodes;
	$self->add_vip('a') if $self->netns && !$self->{keepalived};
	if (!$self->netns && $self->{holdover}) {
		$self->admin('a', qw(NOTIFY INSTANCE VI_1 MASTER 250));
		$self->admin('b', qw(NOTIFY INSTANCE VI_1 BACKUP 250));
	}
	return $self;
}

sub boot_node
{
	my ($self, $name) = @_;

	make_path(map { "$self->{dir}/$name/$_" } qw(redis state log run));
	$self->_init($name);
	$self->_plug($name) if $self->netns;
	my $n = $self->{node}{$name};
	$n->{run} = $self->netns ? "/run" : "$self->{dir}/$name/run";
	$n->{seen} = $self->netns ? "/proc/$n->{host_pid}/root/run" :
	    $n->{run};
	make_path("$n->{seen}/holdover");
	$self->_configure($name);
	$self->start_redis($name);
	if ($self->{holdover}) {
		$self->start_holdover($name);
	} elsif ($self->netns) {
		POSIX::mkfifo("$n->{seen}/holdover/vrrp.fifo", 0600)
		    or croak "mkfifo: $!";
		open $n->{fifo}, '+<', "$n->{seen}/holdover/vrrp.fifo"
		    or croak "fifo: $!";
	}
	$self->start_keepalived($name) if $self->netns && $self->{keepalived};
	return $self;
}

# The link first, then everything at once, then its network: nobody is told.
# The disk stays.
sub crash_node
{
	my ($self, $name) = @_;
	my $n = $self->{node}{$name} or croak "$name is not up";

	$self->_ip('switch', 'link', 'set', $n->{port}, 'down')
	    if $self->netns;
	kill 'KILL', $n->{host_pid};
	$self->_forget($name);
	return $self;
}

# Ends all that runs and frees the network; the folder is still there.
sub halt
{
	my ($self) = @_;

	return if $self->{halted}++;
	for my $what (qw(writers keepalived holdover redis)) {
		my @on = grep { $self->running($_, $what) }
		    keys %{$self->{node}};
		# keepalived lowers its priority to 0 while it ends
		for my $name (@on) {
			$self->respawn($name, $what, undef);
			$self->signal($name, $what, 'TERM');
		}
		for my $name (@on) {
			# Redis does not end while it writes its first AOF.
			$self->wait_for(10, sub {
				return 1 if !$self->running($name, $what);
				# It may end this very moment.
				eval { $self->signal($name, $what, 'TERM') }
				    if $what eq 'redis';
				return 0;
			}) and next;
			push @{$self->{complaint}},
			    "$what on $name did not end within 10 s";
		}
	}
	$self->_look_for_trouble;
	$self->_forget($_) for sort keys %{$self->{node}};
	return;
}

# Ends it, and removes the folder unless something went wrong.
sub stop
{
	my ($self) = @_;

	return unless $self->{dir} && $self->{owner} == $$;
	delete $lab{$self};
	my $halted = eval { $self->halt; 1 };
	warn $@ unless $halted;
	$self->_forget($_) for sort keys %{$self->{node}};
	my $failed = $self->{failed} || !$halted ||
	    @{$self->{complaint} // []} || !_test_passes();
	if ($self->{keep} || $failed && !$self->{discard}) {
		$self->say("logs are in $self->{dir}") unless $self->{quiet};
	} else {
		remove_tree($self->{dir});
	}
	$self->{dir} = undef;
	return;
}

sub _test_passes
{
	return 1 unless $INC{'Test/More.pm'};
	my $t = Test::More->builder;
	return $t->is_passing;
}

# What was wrong in the end: bad ends and lines of sanitizers. Call it after
# stop; a test wants none.
sub complaints { @{$_[0]{complaint} // []} }

sub _look_for_trouble
{
	my ($self) = @_;

	for my $name (grep { $_ =~ /^[ab]$/ } keys %{$self->{node}}) {
		my $c = $self->status($name) or next;
		my $s = $c->{holdover}{status} // 0;
		push @{$self->{complaint}}, sprintf "holdover on %s ended "
		    . 'with status %d, signal %d', $name, $s >> 8, $s & 127
		    if $s != 0;
	}
	for my $log (glob "$self->{dir}/[ab]/log/holdover*") {
		open my $f, '<', $log or next;
		while (<$f>) {
			next unless /ERROR: \w+Sanitizer|runtime error:
			    |LeakSanitizer|WARNING:\ ThreadSanitizer
			    |Assertion/x;
			chomp;
			push @{$self->{complaint}}, "$log: $_";
		}
	}
}

sub say
{
	my ($self, $text) = @_;

	return $self->{say}->($text) if $self->{say};
	return Test::More->builder->diag($text) if $INC{'Test/More.pm'};
	print STDERR "$text\n";
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@, $!);

	$self->stop if $self->{dir};
}

END {
	my $status = $?;
	for (grep { defined } values %lab) {
		$_->{failed} ||= $status != 0;
		$_->stop;
	}
	$? = $status;
}

for my $sig (qw(INT TERM HUP)) {
	$SIG{$sig} = sub {
		$_->{discard} = 1 for grep { defined } values %lab;
		exit 130;	# END takes the labs down
	} unless $SIG{$sig};
}

# ---- namespaces ----

sub _init
{
	my ($self, $name) = @_;

	socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC
	    or croak "socketpair: $!";
	my @argv = ($^X, "$top/t/lib/lab-init", $self->{mode});
	unshift @argv, qw(unshare -n -m -p --fork --kill-child --)
	    if $self->netns;
	my $pid = fork // croak "fork: $!";
	if ($pid == 0) {
		open STDIN, '+<&', $theirs or POSIX::_exit(126);
		open STDERR, '>>', "$self->{dir}/$name.init"
		    or POSIX::_exit(126);
		setpgrp;		# a terminal's ^C is for us alone
		exec { $argv[0] } @argv or POSIX::_exit(127);
	}
	close $theirs;
	$self->{node}{$name} = { name => $name, pid => $pid, ctl => $ours,
	    in => '' };
	my $hello = $self->_answer($name);
	$self->{node}{$name}{host_pid} = $hello->{host_pid}
	    or croak "$name did not start";
}

# A cable from the switch to the node's eth0.
sub _plug
{
	my ($self, $name) = @_;
	my $port = sprintf 'p%d%s', ++$self->{boots}, substr $name, 0, 6;

	$self->{node}{$name}{port} = $port;
	$self->_ip('switch', qw(link add), $port, qw(type veth peer name eth0
	    netns), $self->{node}{$name}{host_pid});
	$self->_ip('switch', qw(link set), $port, qw(master br0 up));
	$self->_ip($name, qw(addr add), "$address{$name}/24", qw(dev eth0));
	$self->_ip($name, qw(-6 addr add), "fd00::$self->{boots}:1/64",
	    qw(dev eth0 nodad)) if $self->{ipv6};
	$self->_ip($name, qw(link set eth0 up));
}

sub _ip
{
	my ($self, $name, @args) = @_;

	system('nsenter', '-t', $self->{node}{$name}{host_pid}, '-n', 'ip',
	    @args) == 0 or croak "ip @args on $name failed";
}

sub _forget
{
	my ($self, $name) = @_;
	my $n = delete $self->{node}{$name} or return;

	close $n->{ctl};
	waitpid $n->{pid}, 0;
	# The far end of the cable goes some time after the namespace.
	system("nsenter -t $self->{node}{switch}{host_pid} -n ip link del "
	    . "$n->{port} 2>/dev/null") if $n->{port} && $self->{node}{switch};
}

# A command in a node's namespaces; its output, and its status in $?.
sub exec_in
{
	my ($self, $name, @cmd) = @_;
	my @enter = $self->enter($name);

	open my $p, '-|', @enter, @cmd or croak "$cmd[0]: $!";
	local $/;
	my $out = <$p>;
	close $p;
	return $out;
}

sub enter
{
	my ($self, $name) = @_;

	return () unless $self->netns;
	return ('nsenter', '-t', $self->{node}{$name}{host_pid}, qw(-n -m -p
	    --));
}

# ---- the supervisor of a node ----

sub _answer
{
	my ($self, $name) = @_;
	my $n = $self->{node}{$name};

	until ($n->{in} =~ /\n/) {
		my $r = sysread $n->{ctl}, $n->{in}, 65536, length $n->{in};
		next if !defined $r && $! == EINTR;
		croak "node $name is gone" unless $r;
	}
	my ($line, $rest) = split /\n/, $n->{in}, 2;
	$n->{in} = $rest;
	return $json->decode($line);
}

sub _ask
{
	my ($self, $name, %req) = @_;
	my $n = $self->{node}{$name} or croak "$name is not up";

	syswrite $n->{ctl}, $json->encode(\%req) . "\n"
	    or croak "node $name is gone";
	my $a = $self->_answer($name);
	croak "$name: $a->{error}" if $a->{error};
	return $a;
}

sub status
{
	my ($self, $name) = @_;
	return $self->_ask($name, op => 'status')->{child};
}

sub running
{
	my ($self, $name, $what) = @_;
	return $self->{node}{$name} &&
	    $self->status($name)->{$what}{pid};
}

sub spawn
{
	my ($self, $name, $what, @argv) = @_;
	my $log = "$self->{dir}/$name/log";

	make_path($log);
	return $self->_ask($name, op => 'start', name => $what,
	    argv => \@argv, out => "$log/$what.out")->{pid};
}

sub signal
{
	my ($self, $name, $what, $signal) = @_;
	$self->_ask($name, op => 'kill', name => $what, signal => $signal);
}

# From now on started again so many seconds after its end; undef: not at all
sub respawn
{
	my ($self, $name, $what, $seconds, %opt) = @_;
	$self->_ask($name, op => 'respawn', name => $what,
	    respawn => $seconds, empty => $opt{empty});
}

# ---- what runs on a node ----

sub start_redis
{
	my ($self, $name) = @_;
	$self->spawn($name, 'redis', program('redis-server'),
	    "$self->{dir}/$name/redis.conf");
}

# kill -9; respawn => seconds starts it again, empty => 1 with nothing
sub kill_redis
{
	my ($self, $name, %opt) = @_;

	$self->respawn($name, 'redis', $opt{respawn}, empty => $opt{empty} ?
	    "$self->{dir}/$name/redis" : undef);
	$self->signal($name, 'redis', 'KILL');
}

sub start_holdover
{
	my ($self, $name) = @_;
	my $n = $self->{node}{$name};

	$self->spawn($name, 'holdover', @{$self->{through} // []},
	    build() . '/holdover', "$self->{dir}/$name/holdover.conf");
	# It makes the FIFO before it serves the admin port.
	$self->wait_until("Holdover on $name answers", 10,
	    sub { $self->info($name) });
}

sub start_keepalived
{
	my ($self, $name) = @_;
	$self->spawn($name, 'keepalived', program('keepalived'), qw(-n -l -G
	    -D -P -f), "$self->{dir}/$name/keepalived.conf", qw(-p
	    /run/keepalived.pid -r /run/vrrp.pid));
}

# As a machine that is paused: everything on it at once, but not the network.
sub freeze_node { $_[0]->exec_in($_[1], qw(kill -STOP -1)); $_[0] }
sub wake_node { $_[0]->exec_in($_[1], qw(kill -CONT -1)); $_[0] }

sub stop_keepalived
{
	my ($self, $name) = @_;

	$self->signal($name, 'keepalived', 'TERM');
	$self->wait_until("keepalived on $name has ended", 10, sub {
		!$self->running($name, 'keepalived') });
}

# kill -9 of its "parent", its "child" (which does all that is VRRP) or
# "both", when neither may do anything about it.
sub kill_keepalived
{
	my ($self, $name, $which) = @_;
	my $seen = $self->{node}{$name}{seen};
	my ($parent, $child) = map {
		$self->read_file("$seen/$_.pid") =~ /(\d+)/ }
	    qw(keepalived vrrp);

	$self->exec_in($name, 'kill', '-STOP', $parent) if $which eq 'both';
	$self->exec_in($name, 'kill', '-KILL', $child) if $which ne 'parent';
	$self->exec_in($name, 'kill', '-KILL', $parent) if $which ne 'child';
	# Its parent's end ends the child, in an orderly way.
	$self->wait_until("both of keepalived on $name have ended", 10, sub {
		!-e "$seen/../proc/$child" }) if $which eq 'parent';
}

# How often its log says so.
sub keepalived_log
{
	my ($self, $name, $re) = @_;
	my $log = $self->read_file("$self->{dir}/$name/log/keepalived.out");

	return scalar(() = $log =~ /$re/g);
}

# A file below a node's /run
sub run_file { "$_[0]{node}{$_[1]}{seen}/$_[2]" }

# What VRRP says to this node ("input"), or it says ("output"), is lost.
sub lose_adverts
{
	my ($self, $name, @hooks) = @_;

	$self->nft($name, 'add table ip lab');
	for my $hook (@hooks) {
		$self->nft($name, "add chain ip lab $hook { type filter hook "
		    . "$hook priority 0; }");
		$self->nft($name, "add rule ip lab $hook ip protocol 112 "
		    . 'counter drop');
	}
}

sub heed_adverts { $_[0]->nft($_[1], 'delete table ip lab') }

sub nft
{
	my ($self, $name, $rule) = @_;

	$self->exec_in($name, program('nft'), $rule);
	croak "nft $rule on $name failed" if $?;
}

# By hand, as nobody should; clients forget where it was.
sub add_vip { $_[0]->_vip($_[1], 'add') }
sub del_vip { $_[0]->_vip($_[1], 'del') }

sub _vip
{
	my ($self, $name, $what) = @_;

	$self->_ip($name, 'addr', $what, "$address{vip}/24", qw(dev eth0));
	system('nsenter', '-t', $self->{node}{client}{host_pid}, '-n', 'ip',
	    qw(neigh flush dev eth0));
}

# ---- configuration: what is shipped, with addresses and paths put in ----

sub write_file
{
	my ($self, $path, $text, $mode) = @_;

	open my $f, '>', $path or croak "$path: $!";
	print $f $text;
	close $f or croak "$path: $!";
	chmod $mode // 0644, $path;
}

sub read_file
{
	my ($self, $path) = @_;

	open my $f, '<', $path or croak "$path: $!";
	local $/;
	return <$f>;
}

sub _configure
{
	my ($self, $name) = @_;
	my $dir = "$self->{dir}/$name";

	$self->write_file("$dir/redis.conf", $self->_redis_conf($name));
	$self->write_file("$dir/holdover.conf", $self->_holdover_conf($name));
	return unless $self->netns;

	my $conf = $self->read_file(
	    "$top/contrib/keepalived/keepalived-$name.conf");
	my $run = $self->{node}{$name}{seen};
	$conf =~ s{\Q$address{vip}\E/24}{$vip6/64} if $self->{ipv6};
	if ($self->{holdover}) {
		# A path that only root can write: the tree need not be one.
		make_path("$run/bin");
		copy(build() . '/holdoverctl', "$run/bin/holdoverctl")
		    or croak "copy: $!";
		chmod 0755, "$run/bin/holdoverctl";
		$conf =~ s{"/usr/bin/holdoverctl }
		    {"/run/bin/holdoverctl -s /run/holdover/admin.sock }g;
	} else {
		$conf =~ s{init_file -254}{init_file 0};
		$conf =~ s{"/usr/bin/holdoverctl check}{"/bin/true};
	}
	# As the comments there say.
	if (!$self->{fifo}) {
		$conf =~ s{^(\s*vrrp_notify_fifo )}{#$1}m;
		$conf =~ s{^(\s*)#(notify )}{$1$2}m;
	}
	$conf =~ s/^#(?=vrrp_sync_group|\t|\})//gm if $self->{sync_group};
	# All runs as root here.
	$conf =~ s{^(\tvrrp_notify_fifo \S+) holdover$}{$1 root}m;
	$self->write_file("$dir/keepalived.conf", $conf);
}

sub _redis_conf
{
	my ($self, $name) = @_;
	my $conf = $self->read_file(
	    "$top/contrib/keepalived/redis-holdover.conf");
	my $run = $self->{node}{$name}{run};
	my $port = $self->port($name, 'redis');

	if ($self->netns) {
		$conf =~ s/^(bind) \S+/$1 $address{$name}/m;
	} else {
		$conf =~ s/^bind .*/bind 127.0.0.1/m;
	}
	return <<"EOT" . $conf . ($self->{redis_conf} // '');
# what a distribution's redis.conf has, as far as it matters here
port $port
dir $self->{dir}/$name/redis
logfile $self->{dir}/$name/log/redis.log
unixsocket $run/redis.sock
protected-mode no
shutdown-timeout 0
save ""
daemonize no

EOT
}

sub _holdover_conf
{
	my ($self, $name) = @_;
	my $other = $self->other($name);
	my $dir = "$self->{dir}/$name";
	my $run = $self->{node}{$name}{run} . '/holdover';
	my @where = $self->netns ? ("vip $self->{addr}{vip}",
	    ($self->{fifo} ? "vrrp-fifo $run/vrrp.fifo" : ()),
	    "vrrp-track-file $run/vrrp.track") :
	    ('bind 127.0.0.1', 'peer-bind 127.0.0.1',
	    'peer-port ' . $self->port($name, 'peer'));
	my %conf = ('log-level' => 'debug', %{$self->{conf}});

	return join "\n", 'cluster lab', "node $name", @where,
	    'port ' . $self->port($name, 'client'),
	    'redis ' . $self->host_port($name, 'redis'),
	    "peer $other " . $self->host_port($other, 'peer'),
	    'peer-redis ' . $self->host_port($other, 'redis'),
	    "peer-secret-file $self->{dir}/secret",
	    "admin-unixsocket $run/admin.sock",
	    'admin-port ' . $self->port($name, 'admin'),
	    "state-dir $dir/state", 'vrrp-instance VI_1',
	    "log-file $dir/log/holdover.log",
	    (map { "$_ $conf{$_}" } sort keys %conf), '';
}

my %port = (redis => 6379, client => 6379, peer => 6381, admin => 6380);

sub port
{
	my ($self, $name, $what) = @_;
	return $self->netns ? $port{$what} : $self->{port}{$name}{$what};
}

sub host_port
{
	my ($self, $name, $what) = @_;
	return $self->address($name) . ':' . $self->port($name, $what);
}

# What clients know: the VIP, or in its place node a's proxy.
sub client_address
{
	my ($self) = @_;
	return $self->netns ? ($self->{addr}{vip}, 6379) :
	    ('127.0.0.1', $self->port('a', 'client'));
}

# ---- asking ----

# A connection to a node's Redis that no proxy sees
sub redis
{
	my ($self, $name, @words) = @_;
	my $c = T::Lab::Resp->new(
	    $self->{node}{$name}{seen} . '/redis.sock') or return;

	return @words ? $c->cmd(@words) : $c;
}

# One command to a node's admin port: its answer; undef when there is none.
sub admin
{
	my ($self, $name, @words) = @_;
	my $n = $self->{node}{$name} or return;
	my $c = T::Lab::Resp->new("$n->{seen}/holdover/admin.sock") or return;

	return $c->cmd(@words);
}

sub info
{
	my ($self, $name) = @_;
	my $text = $self->admin($name, 'INFO');

	return if !defined $text || $text =~ /^-/;
	return { map { /^([^:#]+):(.*)/ ? ($1, $2) : () }
	    split /\r?\n/, $text };
}

# The node whose kernel has the address; undef for none, "a,b" for both.
sub vip_holder
{
	my ($self) = @_;
	my @holder;

	if (!$self->netns) {
		@holder = grep { (($self->info($_) // {})->{vrrp} // '') eq
		    'MASTER' } $self->nodes;
		return @holder ? join ',', @holder : undef;
	}
	my ($file, $has) = $self->{ipv6} ?
	    ('if_inet6', qr{^fd000{26}10 }m) :
	    ('fib_trie', qr{\|-- \Q$address{vip}\E\n\s+/32 host LOCAL});
	for my $name (grep { $self->{node}{$_} } $self->nodes) {
		open my $f, '<',
		    "/proc/$self->{node}{$name}{host_pid}/net/$file"
		    or next;
		local $/;
		push @holder, $name if (<$f> // '') =~ $has;
	}
	return @holder ? join ',', @holder : undef;
}

# When the VIP last came to a node since that time, in us; undef: it did not.
sub vip_came_us
{
	my ($self, $since) = @_;
	my $came;

	return unless $self->netns && $self->{holdover};
	for my $name ($self->nodes) {
		open my $f, '<', "$self->{dir}/$name/log/holdover.log" or next;
		for (grep { /vrrp: the VIP is here/ } <$f>) {
			my ($y, $mon, $d, $h, $min, $s, $ms) = /(\d+)/g;
			my $t = POSIX::mktime($s, $min, $h, $d, $mon - 1,
			    $y - 1900) + $ms / 1000;
			$came = $t if $t >= $since && $t > ($came // 0);
		}
	}
	return defined $came ? $came * 1e6 : undef;
}

# The primary that both Holdovers name, or the one that lives.
sub primary
{
	my ($self) = @_;
	my %said = map { ($_->{primary} // '') => 1 } grep { $_ }
	    map { $self->info($_) } $self->nodes;

	return keys %said == 1 ? (keys %said)[0] || undef : undef;
}

# ---- waiting ----

# Looks every 10 ms; what the function said in the end.
sub wait_for
{
	my ($self, $seconds, $sub) = @_;
	my $end = time + $seconds;

	while (1) {
		my $got = $sub->();
		return $got if $got || time >= $end;
		select undef, undef, undef, 0.01;
		$self->{tick}->() if $self->{tick};
	}
}

sub wait_until
{
	my ($self, $what, $seconds, $sub) = @_;
	my $begin = time;

	my $got = $self->wait_for($seconds, $sub);
	return $got if $got;
	$self->{failed} = 1;
	croak sprintf "%.1f s were not enough for: %s\n%s", time - $begin,
	    $what, $self->state;
}

# What both nodes say, for people.
sub state
{
	my ($self) = @_;
	my $text = 'VIP: ' . ($self->vip_holder // 'nowhere') . "\n";

	for my $name ($self->nodes) {
		my $i = $self->info($name);
		$text .= "$name: " . ($i ? join(' ', map { "$_=" .
		    ($i->{$_} // '?') } qw(state leader epoch primary fresh
		    gate vrrp vip peer why)) : 'does not answer') . "\n";
	}
	return $text;
}

sub _is_steady
{
	my ($self, %want) = @_;
	my $vip = $self->vip_holder // return;
	my @i = map { $self->info($_) // return } $self->nodes;

	for (@i) {
		return if ($_->{gate} // '') ne 'open' ||
		    ($_->{peer} // '') ne 'up' ||
		    ($_->{primary} // '') eq '' ||
		    join(',', sort split /,/, $_->{fresh} // '') ne 'a,b';
	}
	return if $i[0]{primary} ne $i[1]{primary} || $vip =~ /,/;
	return if $want{together} && $vip ne $i[0]{primary};
	return $i[0]{primary};
}

# One primary, both copies fresh, both gates open, the VIP somewhere;
# together => 1: the VIP where the primary is. Answers the primary's name.
sub wait_steady
{
	my ($self, $seconds, %want) = @_;

	return $self->wait_until('one primary, two fresh copies, open gates',
	    $seconds // 30, sub { $self->_is_steady(%want) });
}

# ---- the writers ----

sub _writers_program
{
	my ($self) = @_;

	return $self->{writers_program} if $self->{writers_program};
	my $built = build() . '/t/writers';
	return $self->{writers_program} = $built
	    if -x $built && `$built --help 2>&1` =~ /--unix/;
	# Not built yet: a tree without make check
	my $path = "$self->{dir}/writers";
	system($ENV{CC} || 'cc', qw(-std=c11 -O2 -D_GNU_SOURCE -o), $path,
	    "$top/t/lib/writers.c") == 0 or croak 'cannot compile writers';
	return $self->{writers_program} = $path;
}

sub start_writers
{
	my ($self, @more) = @_;
	my ($addr, $port) = $self->client_address;

	$self->{run}++;
	my $base = $self->{writers} = "$self->{dir}/writers-$self->{run}";
	$self->spawn('client', 'writers', $self->_writers_program, 'run',
	    '--addr', $addr, '--port', $port, '--run', "$$-$self->{run}",
	    '--log', "$base.log", '--status', "$base.status", @more);
	$self->wait_until('writers are at work', 10, sub {
		($self->writers->{acknowledged} // 0) > 100 });
}

# Their statistics, as of the last 100 ms
sub writers
{
	my ($self) = @_;

	open my $f, '<', "$self->{writers}.status" or return {};
	return { map { /^(\S+) (\S+)/ ? ($1, $2) : () } <$f> };
}

# Ends the longest stretch so far, in us, and begins a new one.
sub mark_writers
{
	my ($self) = @_;
	my $marks = $self->writers->{marks} // 0;

	$self->signal('client', 'writers', 'USR1');
	$self->wait_until('writers saw the mark', 5, sub {
		$self->writers->{marks} > $marks });
	return $self->writers->{previous_longest_us};
}

# More writes are acknowledged, by all of them.
sub wait_writes
{
	my ($self, $seconds, $count) = @_;
	my $from = $self->writers->{acknowledged};

	$self->wait_until('writes are acknowledged', $seconds // 20, sub {
		$self->writers->{acknowledged} >= $from + ($count // 200) });
}

sub stop_writers
{
	my ($self) = @_;

	$self->signal('client', 'writers', 'TERM');
	$self->wait_until('writers have ended', 15, sub {
		!$self->running('client', 'writers') });
	return $self->writers;
}

# ---- clients that wait ----

# Says "ready" when it has its answer to the first words, or when there are
# none when it is connected; then "reset" or "closed", and how many ms it was
# so, when it learns that the connection is over.
my $idle = <<'EOT';
use strict; use warnings; use IO::Socket::IP; use Time::HiRes qw(time);
my ($addr, $port, $answer, @words) = @ARGV;
$| = 1;
my $s = IO::Socket::IP->new(PeerAddr => $addr, PeerPort => $port)
    or die "connect: $!\n";
syswrite $s, '*' . @words . "\r\n" . join '', map { '$' . length($_) .
    "\r\n$_\r\n" } @words if @words;
sysread $s, my $got, 4096 if $answer;
print "ready\n";
my $n = sysread $s, $got, 4096;
printf "%s %.3f\n", defined $n ? $n ? "got $got" : 'closed' : 'reset', time;
EOT

# A client of the VIP that only waits. answer: whether the words have one.
sub start_idle
{
	my ($self, $what, $answer, @words) = @_;

	$self->start_idle_at(($self->client_address)[1], $what, $answer, @words);
}

sub start_idle_at
{
	my ($self, $port, $what, $answer, @words) = @_;
	my ($addr) = $self->client_address;

	$self->spawn('client', $what, $^X, '-e', $idle, $addr, $port,
	    $answer, @words);
	$self->wait_until("$what waits", 10, sub {
		$self->idle($what) =~ /^ready$/m });
	return;
}

# What it has said up to now.
sub idle
{
	my ($self, $what) = @_;

	open my $f, '<', "$self->{dir}/client/log/$what.out" or return '';
	local $/;
	return <$f> // '';
}

# Reads every acknowledged write back, through the VIP.
sub verify_writes
{
	my ($self) = @_;
	my ($addr, $port) = $self->client_address;
	my $out = $self->exec_in('client', $self->_writers_program, 'verify',
	    '--addr', $addr, '--port', $port, "$self->{writers}.log");

	croak 'the writes could not be read back' if ($? >> 8) > 1;
	my @gone = map { /^gone (\S+) (\d+)$/ ? [$1, $2] : () }
	    split /\n/, $out;
	return { gone => \@gone,
	    map { /^([a-z_]+) (\S+)$/ ? ($1, $2) : () } split /\n/, $out };
}

package T::Lab::Resp;
#
# The least client: one connection over a unix socket, one command at a time.
#
use strict;
use warnings;

sub new
{
	my ($class, $path) = @_;
	my $s = IO::Socket::UNIX->new(Peer => $path) or return;

	return bless { s => $s, in => '' }, $class;
}

# Errors come back as their text with the "-". undef: no answer in 30 s.
sub cmd
{
	my ($self, @words) = @_;

	$self->send(@words) or return;
	return $self->reply;
}

sub send
{
	my ($self, @words) = @_;
	my $out = '*' . @words . "\r\n" . join '', map { '$' . length($_) .
	    "\r\n$_\r\n" } @words;

	local $SIG{PIPE} = 'IGNORE';
	while (length $out) {
		my $n = syswrite $self->{s}, $out or return;
		substr $out, 0, $n, '';
	}
	return 1;
}

sub _fill
{
	my ($self) = @_;

	vec(my $r = '', fileno $self->{s}, 1) = 1;
	return unless select($r, undef, undef, 30) > 0;
	return sysread $self->{s}, $self->{in}, 1 << 20, length $self->{in};
}

sub reply
{
	my ($self) = @_;

	until ($self->{in} =~ /\r\n/) {
		$self->_fill or return;
	}
	(my $line, $self->{in}) = split /\r\n/, $self->{in}, 2;
	my ($type, $rest) = $line =~ /^(.)(.*)/s;
	return $line if $type eq '-';
	return $rest if $type eq '+' || $type eq ':';
	return [map { $self->reply } 1 .. $rest] if $type eq '*';
	return if $rest < 0;
	while (length $self->{in} < $rest + 2) {
		$self->_fill or return;
	}
	my $text = substr $self->{in}, 0, $rest, '';
	substr $self->{in}, 0, 2, '';
	return $text;
}

1;
