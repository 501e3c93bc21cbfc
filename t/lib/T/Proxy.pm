# One Holdover, alone in front of a Redis or as a node of a pair.
package T::Proxy;
use strict;
use warnings;
use T;
use T::Resp;

my $count = 0;

# conf: lines for holdover.conf beyond those made here.
sub new {
	my ($class, %opt) = @_;
	my $name = $opt{name} // 'holdover' . ++$count;
	my $dir = tmpdir() . "/$name";
	mkdir $dir or die "$dir: $!";
	my $p = bless { name => $name, dir => $dir, port => free_port(),
	    socket => "$dir/admin.sock" }, $class;
	write_file("$dir/holdover.conf", join "\n", 'bind 127.0.0.1',
	    "port $p->{port}", "redis 127.0.0.1:" . $opt{redis}->port,
	    'admin-port 0', "admin-unixsocket $p->{socket}",
	    "state-dir $dir/state", 'maxclients 2000', 'log-level debug',
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
sub connect { T::Resp->new($_[0]{port}) }
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
