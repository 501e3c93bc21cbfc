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
# port that speaks TLS too. With T_TLS=1 each has one, and clients use it.
sub new {
	my ($class, %opt) = @_;
	my $name = $opt{name} // 'holdover' . ++$count;
	my $dir = tmpdir() . "/$name";
	mkdir $dir or die "$dir: $!";
	my $p = bless { name => $name, dir => $dir, port => free_port(),
	    socket => "$dir/admin.sock" }, $class;
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
	wait_for("$p->{name} to answer", sub {
		die "$p->{name} ended: " . slurp($p->{child}{log})
		    if $p->{child}->ended;
		eval { $p->admin('PING') } // '' eq 'PONG' });
	return $p;
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
