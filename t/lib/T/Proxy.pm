# One Holdover, alone in front of a Redis or as a node of a pair.
package T::Proxy;
use strict;
use warnings;
use T;
use T::Cert;
use T::Resp;

my $count = 0;
my $cert;	# what T_TLS=1 takes

# conf: lines for holdover.conf beyond those made here; tls: a T::Cert, for a
# port that speaks TLS too; port: not any. With T_TLS=1 each has one that
# speaks TLS, and clients use it.
sub new {
	my ($class, %opt) = @_;
	my $name = $opt{name} // 'holdover' . ++$count;
	my $dir = tmpdir() . "/$name";
	mkdir $dir or die "$dir: $!";
	my $p = bless { name => $name, dir => $dir, port => $opt{port} //
	    free_port(), socket => "$dir/admin.sock" }, $class;
	$p->{tls} = $opt{tls} // ($ENV{T_TLS} ? $cert //= T::Cert->ca->sign :
	    undef);
	$p->{tls_port} = free_port() if $p->{tls};
	write_file("$dir/holdover.conf", join "\n", 'bind 127.0.0.1',
	    "port $p->{port}", "redis 127.0.0.1:" . $opt{redis}->service,
	    'admin-port 0', "admin-unixsocket $p->{socket}",
	    "state-dir $dir/state", 'maxclients 2000', 'log-level debug',
	    $p->{tls} ? ("tls-port $p->{tls_port}", $p->{tls}->conf) : (),
	    $opt{conf} // '', '');
	$p->start unless $opt{later};
	return $p;
}

sub start {
	my ($p) = @_;
	$p->{child} = spawn($p->{name}, binary('holdover'),
	    "$p->{dir}/holdover.conf");
	my $c;
	wait_for("$p->{name} to answer", sub {
		die "$p->{name} ended: " . slurp($p->{child}{log})
		    if $p->{child}->ended;
		eval { ($c = $p->admin_connect)->command('PING') } // '' eq
		    'PONG' });
	# Without the one of that connection.
	my $others = ($p->descriptors)[1] - 1;
	$p->{child}{at_last} = sub { $p->check_descriptors($others) };
	return $p;
}

# How many the daemon has: of links to Redis and the peer, and of others. A
# connection that carries clients to Redis is like a link.
sub descriptors {
	my ($p) = @_;
	my $proc = '/proc/' . $p->child->pid;
	my %to = map { $_ => 1 } slurp("$p->{dir}/holdover.conf") =~
	    /^(?:redis|peer|peer-redis|peer-port) .*?(\d+)$/mg;
	my (%link, @n);
	for (map { split /\n/, slurp("$proc/net/$_") } 'tcp', 'tcp6') {
		my ($local, $remote, $state, $inode) = (split)[1, 2, 3, 9];
		$link{"socket:[$inode]"} = 1 if $state ne '0A' &&
		    grep { /:([0-9A-F]{4})$/ && $to{hex $1} } $local, $remote;
	}
	$n[!$link{readlink($_) // ''}]++ for glob "$proc/fd/*";
	return map { $_ // 0 } @n[0, 1];
}

# When its clients are gone, only those must be left that were there at the
# start, one link to each Redis, to and from the peer, and what clients
# shared or left for others, as INFO counts it.
sub check_descriptors {
	my ($p, $others) = @_;
	my $links = slurp("$p->{dir}/holdover.conf") =~ /^peer /m ? 4 : 1;
	my @n;
	eval { wait_for('', sub {
		@n = $p->descriptors;
		my $i = eval { $p->info } // {};
		$n[0] -= $_ // 0 for @$i{qw(links_shared links_spare)};
		$n[0] <= $links && $n[1] <= $others }, 5) } or
	    Test::More::fail("$p->{name} closed its descriptors: $n[0] of " .
	    "links, at most $links expected; $n[1] others, $others expected");
}

sub port { $_[0]{port} }
sub child { $_[0]{child} }
sub log { slurp($_[0]{child}{log}) }
sub tls_port { $_[0]{tls_port} }
sub connect_plain { T::Resp->new($_[0]{port}) }
sub connect_tls {
	my ($p, @options) = @_;
	@options = $p->{tls}->args if !@options;
	return T::Resp->new($p->{tls_port}, tls => \@options);
}
sub connect { $ENV{T_TLS} ? $_[0]->connect_tls : $_[0]->connect_plain }
sub command { my ($p, @args) = @_; $p->connect->command(@args) }
sub admin_connect { T::Resp->new($_[0]{socket}) }
sub admin { my ($p, @args) = @_; $p->admin_connect->command(@args) }
sub info { $_[0]->admin_connect->info }

sub wait_info {
	my ($p, $field, $value, $seconds) = @_;
	wait_for("$p->{name} to have $field $value", sub {
		my $got = eval { $p->info->{$field} } // '';
		ref $value ? $got =~ $value : $got eq $value }, $seconds);
}

sub open { $_[0]->wait_info(gate => 'open'); $_[0] }

1;
