# A unit with a word that systemd does not know starts a daemon without its
# protection, and only the journal says so.
use strict;
use warnings;
use Test::More;
use T;

plan skip_all => 'no systemd-analyze here'
    if system('systemd-analyze --version >/dev/null 2>&1') != 0;

for my $unit ('holdover', 'holdover@') {
	my $text = slurp(binary("etc/$unit.service"));
	unlike($text, qr/@\w+@/, "$unit.service: nothing is left to fill in");
	$text =~ s{^(Exec\w+=)/\S+/(holdover|holdoverctl) }
	    {$1@{[binary($2)]} }mg;
	my $file = tmpdir() . "/${unit}x.service" =~ s/holdoverx/holdover/r;
	write_file($file, $text);
	is(qx(systemd-analyze verify --man=no $file 2>&1), '',
	    "$unit.service: systemd understands it all");
	my $exposure = qx(systemd-analyze security --offline=yes $file 2>&1);
	my ($n) = $exposure =~ /exposure level for \S+: ([\d.]+)/;
	cmp_ok($n // 10, '<', 2.5, "$unit.service: exposure is low");
}

done_testing;
