# A manual that nobody compares with the tables names options that are gone
# and defaults that were. What a table has must be in its manual, in that
# order, and nothing else.
use strict;
use warnings;
use FindBin;
use Test::More;
use T;
use T::Pair;

my $top = "$FindBin::Bin/..";
my @manuals = map { s{.*/}{}r } glob "$top/man/*.[0-9]";
my $has_mandoc = system('mandoc -T lint </dev/null >/dev/null 2>&1') != 127
    << 8;

for my $name (@manuals) {
	SKIP: {
		skip 'no mandoc here', 1 if !$has_mandoc;
		# What is not installed here is no mistake of ours.
		is(join('', grep { !/referenced manual not found|mandoc\.db/ }
		    qx(mandoc -T lint $top/man/$name 2>&1)), '',
		    "$name is clean");
	}
}

# The entries of a list between two lines, each with its text.
sub entries {
	my ($name, $from, $to) = @_;
	my ($text) = slurp("$top/man/$name") =~ /^\Q$from\E\n(.*?)^\Q$to\E\n/ms;
	my @entries = split /^(?=\.It )/m, $text // '';
	shift @entries;
	return @entries;
}

# Options, in the order of conf.def.
my (@table, @manual, @reload);
for (split /^(?=OPTION)/m, slurp("$top/src/conf.def")) {
	my ($name, $default) =
	    /^OPTION\("([^"]+)",\s*\w+,\s*\w+,\s*"([^"]*)"/ or next;
	push @table, "$name $default";
	push @reload, $name if /\bRELOAD,/;
}
for (entries('holdover.conf.5', '.Sh OPTIONS', '.Sh CHANGES')) {
	my ($name) = /^\.It Ic (\S+)/;
	my ($default) = /^The default is\n\.Cm (.*?) \.$/m;
	push @manual, "$name " . ($default // '');
}
cmp_ok(scalar @table, '>', 30, 'the table was read');
is_deeply(\@manual, \@table, 'holdover.conf(5) has every option and default');

my ($changes) = slurp("$top/man/holdover.conf.5") =~
    /^\.Sh CHANGES\n.*?^\.Bd.*?\n(.*?)^\.Ed/ms;
is_deeply([($changes // '') =~ /^\.Ic (\S+)/mg], \@reload,
    'holdover.conf(5) has what can be changed');

# What holds is printed by --check.
my @gate = qx(@{[binary('holdover')]} --check --redis x:1 --bind 127.0.0.1);
@gate = map { [split] } map { /^# (.*)/ } @gate;
my ($shown) = slurp("$top/man/holdover.8") =~ /^(gate .*?)^\.Ed/ms;
is_deeply([map { [split] } split /\n/, $shown // ''], \@gate,
    'holdover(8) has the gate as it is');

# The admin port tells of itself.
my $pair = T::Pair->new;
$pair->switchover;
my $admin = $pair->proxy('a')->admin_connect;

SKIP: {
	skip 'no mandoc here', 1 if !$has_mandoc;
	my @help = $admin->command('HELP') =~ /^(\S.*)/mg;
	s/\s*\(operator\)$/ */ for @help;
	my ($verbs) = qx(mandoc -T ascii -O width=200 $top/man/holdover-admin.7)
	    =~ s/.\x08//gr =~ /^VERBS\n(.*?)^\S/ms;
	my @verbs = ($verbs // '') =~ /^ {5}([A-Z]{2}\S*.*?)(?: {2,}.*)?$/mg;
	s/ *\| */|/g for @help, @verbs;
	is_deeply(\@verbs, \@help, 'holdover-admin(7) has every verb');
}

my (@info, @documented);
for (split /\r\n/, $admin->command('INFO')) {
	push @info, /^# (.*)/ ? ".Ss $1" : /^redis_a:/ ? 'redis_NODE' :
	    /^redis_b:/ ? () : /^(\w+):/;
}
my ($fields) = slurp("$top/man/holdover-admin.7") =~
    /^\.Sh INFO\n(.*?)^\.Sh /ms;
for (($fields // '') =~ /^(\.Ss .*|\.It Va .*)$/mg) {
	push @documented, /^\.Ss/ ? $_ : split / , /, s/^\.It Va //r;
}
is_deeply(\@documented, \@info, 'holdover-admin(7) has every field of INFO');

my ($switches) = slurp("$top/man/holdover-admin.7") =~
    /^\.It Ic SWITCHES\n(.*?)^\.El/ms;
my @columns = map { split / , / } ($switches // '') =~ /^\.It Va (.*)$/mg;
my ($last) = @{$admin->command('SHOW', 'SWITCHES')};
my %shown = @$last;
is_deeply([grep { exists $shown{$_} } @columns],
    [map { $last->[2 * $_] } 0 .. $#$last / 2], 'and of SHOW SWITCHES');
my ($steps) = slurp("$top/src/control.h") =~
    /define CONTROL_STEPS\(X\)(.*?)\n\n/s;
is_deeply([grep { /_us$/ && !/^(?:hold|longest)_us$/ } @columns],
    [map { "${_}_us" } $steps =~ /X\(\w+, "(\w+)"\)/g], 'and every step');

# States of a node.
my ($states) = slurp("$top/src/node.h") =~ /NODE_STATES\(X\)(.*?)\n\n/s;
my ($told) = slurp("$top/man/holdover-admin.7") =~
    /^\.Sh STATES\n(.*?)^\.Sh /ms;
is_deeply([($told // '') =~ /^\.It Cm (\S+)/mg],
    [($states // '') =~ /X\((\w+)\)/g], 'and every state of a node');

# holdoverctl's options.
my $usage = qx(@{[binary('holdoverctl')]} 2>&1);
my %usage = map { $_ => 1 } $usage =~ / -(\w)\b/g;
is_deeply([slurp("$top/man/holdoverctl.1") =~ /^\.It Fl (\w)/mg],
    [sort keys %usage], 'holdoverctl(1) has every option');

done_testing;
