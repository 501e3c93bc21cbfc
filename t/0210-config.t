# A configuration that is read otherwise than it stands there, or refused
# without saying where and why, costs an operator a night. t/conf has pairs:
# NAME.in, and what differs from the defaults in NAME.ok, or the exact words
# of its refusal in NAME.err.
use strict;
use warnings;
use FindBin;
use Test::More;
use T;

my $top = "$FindBin::Bin/..";
my $holdover = binary('holdover');
chdir "$top/t/conf" or die "t/conf: $!";

# What --check prints, without comments; and what it says instead.
sub check {
	my @args = map { "'$_'" } @_;
	my $err = tmpdir() . '/stderr';
	my $out = qx($holdover --check @args 2>$err);
	my $status = $? >> 8;
	my $said = slurp($err);
	$said =~ s/^[\d-]+ [\d:.]+ warning: main: //mg;
	return ($out =~ s/^(#.*)?\n//mgr, $said, $status);
}

my ($base) = check('--redis', 'x:1', '--bind', '127.0.0.1');
my %default = map { /^(\S+) (.*)/ ? ($1, $2) : () } split /\n/, $base;
$default{$_} = '""' for qw(redis bind);
cmp_ok(scalar keys %default, '>', 30, 'the defaults are known');

for my $in (glob '*.in') {
	my $name = $in =~ s/\.in$//r;
	my ($out, $said, $status) = check($in);
	if (-e "$name.err") {
		is($said, slurp("$name.err"), "$name: is refused in words");
		is($out, '', "$name: nothing is printed");
		is($status, 1, "$name: fails");
		next;
	}
	is($said, '', "$name: is accepted");
	my @changed = grep { /^(\S+) (.*)/ && $default{$1} ne $2 }
	    split /\n/, $out;
	is(join('', map { "$_\n" } @changed), slurp("$name.ok"),
	    "$name: is what it says");
	my $again = write_file(tmpdir() . '/again', $out);
	is((check($again))[0], $out, "$name: reads the same when printed");
}

# The command line comes last, and wins.
my ($out) = check('pair.in', '--port', '7000', '--bind', '::1', '127.0.0.1',
    '--alone', 'hold');
like($out, qr/^port 7000$/m, 'an option on the command line');
like($out, qr/^bind ::1 127\.0\.0\.1$/m, 'with several words');
like($out, qr/^alone hold$/m, 'and another');
like($out, qr/^node a$/m, 'the rest is from the file');
is((check('pair.in', '--port'))[1],
    "port takes one word, 0 words are given\n", 'a value that is missing');
is((check('pair.in', '--port', '1', '--nosuch', '1'))[1],
    "there is no option 'nosuch'\n", 'an option that there is none of');
is((check('none.conf'))[1],
    "none.conf cannot be read: No such file or directory\n",
    'a file that there is none of');

# The sample has every option in the table's order, at its default.
my @table = slurp("$top/src/conf.def") =~
    /^OPTION\("([^"]+)",\s*\w+,\s*\w+,\s*"([^"]*)"/mg;
my (undef, $body) = split /\n\n/, slurp("$top/etc/holdover.conf"), 2;
my @sample = map { /^# ([a-z-]+) (\S.*)/ && exists $default{$1} ? [$1, $2] :
    () } split /\n/, $body;
is_deeply([map { ($_->[0], $_->[1] eq '""' ? '' : $_->[1]) } @sample],
    \@table, 'etc/holdover.conf is conf.def');
my $whole = write_file(tmpdir() . '/whole',
    join '', map { "@$_\n" } @sample);
is((check($whole, '--redis', 'x:1', '--bind', '127.0.0.1'))[0], $base,
    'with all its lines in force it is the same as none');

# What the README shows works.
my ($shown) = slurp("$top/README.md") =~ /^```\n(cluster .*?)^```/ms;
my $readme = write_file(tmpdir() . '/readme', $shown // '');
is((check($readme))[1], '', 'the configuration in the README is accepted');

done_testing;
